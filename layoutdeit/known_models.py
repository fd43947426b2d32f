"""The models that have a name: the shipped one, and published ones that are fetched and converted once.

Read by detector_file.py and weights.py. What no source states (a hash, a size, a licence) is None, shown as unknown,
and written down when the file first arrives (backbone/download.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backbone.download import PublishedWeights, weights_dir

ASSETS_DIR = Path(__file__).parent / "assets"
DEFAULT_MODEL = "deit-tiny-made-pages"


@dataclass(frozen=True)
class KnownModel:
    """A model by name. sha256: of the shipped file, or None; published: where a detectron2 checkpoint of it is."""

    training_data: str
    licence: str | None = None
    sha256: str | None = None
    published: PublishedWeights | None = None
    score: str = ""


def _dit(file_name: str, average_precision: str) -> KnownModel:
    """A detector of microsoft/unilm, dit/README.md (read 2026-11-25), which states no hash, size or licence of it."""
    path = f"dit-fts/{file_name}"
    return KnownModel(
        training_data="PubLayNet train, by its authors; backbone pretrained on IIT-CDIP",
        published=PublishedWeights(
            f"https://huggingface.co/HYPJUDY/dit/resolve/main/{path}",
            "https://github.com/microsoft/unilm/tree/master/dit",
            mirror=f"https://layoutlm.blob.core.windows.net/dit/{path}",
            note="The mirror has refused since June 2023 (microsoft/unilm, issue 1141).",
        ),
        score=f"PubLayNet val AP {average_precision} (stated there)",
    )


MODELS = {
    DEFAULT_MODEL: KnownModel(
        training_data="pages set by layoutdeit.corpus; no real page",
        licence="Apache-2.0",
        sha256="93f4dce960c25e5bd9ea4fb016ea971982b4e62ea6b1185487d4652cb60040aa",
        score="docs/results.md",
    ),
    "dit-base-mask-rcnn-publaynet": _dit("publaynet_dit-b_mrcnn.pth", ".935"),
    "dit-large-mask-rcnn-publaynet": _dit("publaynet_dit-l_mrcnn.pth", ".941"),
    "dit-base-cascade-publaynet": _dit("publaynet_dit-b_cascade.pth", ".945"),
    "dit-large-cascade-publaynet": _dit("publaynet_dit-l_cascade.pth", ".949"),
}


def model_path(name: str) -> Path:
    """Where the file of a model with a name is, or will be once it is fetched. KeyError for an unknown name."""
    folder = ASSETS_DIR if MODELS[name].published is None else weights_dir()
    return folder / f"{name}.safetensors"
