"""The panel that chooses the model and what runs it: the known ones that are here, and those trained here.

Only listed files can be chosen: a visitor names no path of the server.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from layoutdeit.engines import available_engines
from layoutdeit.model_registry import DEFAULT_MODEL, MODELS, find_model

TRAINED_HERE = "runs/*/model.safetensors"  # where the command under "Train on these" puts its model
NO_RIVAL = "no other model"


@dataclass(frozen=True)
class ModelChoice:
    """A model by name or file, the engine that runs it, and when the file was written: training writes it anew."""

    model: str
    engine: str
    modified_ns: int = 0

    @property
    def key(self) -> str:
        """What tells its pages from those of another."""
        return f"{self.model} {self.engine} {self.modified_ns}"

    @property
    def is_default(self) -> bool:
        """Whether it is the shipped model in the default engine."""
        return self.model == DEFAULT_MODEL and self.engine == available_engines()[0]

    @property
    def arguments(self) -> tuple[str, str, int]:
        """What `reader.shared_analyzer` is asked with."""
        return self.model, self.engine, self.modified_ns


def show() -> tuple[ModelChoice, ModelChoice | None]:
    """Draw the panel; return the model chosen, and the one to compare it with, if any."""
    models, engines = models_here(), available_engines()
    with st.expander("Model", icon=":material/model_training:"), st.container(horizontal=True):
        model = st.selectbox("Model", models, key="model", format_func=_shown)
        engine = engines[0]
        if len(engines) > 1:
            engine = st.selectbox("Engine", engines, key="engine", help="Both give the same boxes.")
        rival = st.selectbox(
            "Compare with",
            [NO_RIVAL, *models],
            key="rival",
            format_func=_shown,
            help="Shows the same page as another model reads it: before and after training on your own pages.",
        )
    chosen = choice_of(model or DEFAULT_MODEL, engine)
    return chosen, None if rival in (None, NO_RIVAL, model) else choice_of(rival, engine)


def choice_of(model: str, engine: str) -> ModelChoice:
    """A model as it is now; a known one never changes, and a file that is gone is for the loading to report."""
    if model not in MODELS:
        with suppress(OSError):
            return ModelChoice(model, engine, Path(model).stat().st_mtime_ns)
    return ModelChoice(model, engine)


def models_here() -> list[str]:
    """Names of known models whose files are here, the shipped one first, then the files trained here."""
    known = [name for name in MODELS if find_model(name) is not None]
    known.sort(key=lambda name: name != DEFAULT_MODEL)
    return [*known, *(str(path) for path in sorted(Path().glob(TRAINED_HERE)))]


def _shown(model: str) -> str:
    return model if model in MODELS or model == NO_RIVAL else Path(model).parent.name
