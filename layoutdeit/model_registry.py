"""Known models by name: the one that ships with the package, and the published DiT detectors, fetched on demand.

What a source does not state (a hash, a size, a licence) is None here; hash and size are recorded in the user's cache
when the file first arrives, and hold from then on. A model is looked for in the package, then in the folder that
LAYOUTDEIT_WEIGHTS names (for machines without a network), then in the cache.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backbone.download import Progress, RemoteFile, check_file, fetch_file, file_sha256, read_record, write_record

ASSETS_DIR = Path(__file__).parent / "assets"
OFFLINE_VARIABLE = "LAYOUTDEIT_WEIGHTS"
DEFAULT_MODEL = "deit-tiny-made-pages"


@dataclass(frozen=True)
class ModelEntry:
    """A known model. sha256 is its model file's; source is the page that says what is said here.

    original: the file in detectron2's format that the model file is converted from; None: the model file is shipped.
    """

    source: str
    training_data: str
    licence: str | None = None
    sha256: str | None = None
    original: RemoteFile | None = None
    note: str = ""

    @property
    def is_shipped(self) -> bool:
        """Whether it is part of the package."""
        return self.original is None


def _dit(file_name: str, note: str) -> ModelEntry:
    """A row of the table "Fine-tuning on PubLayNet" in the authors' README."""
    places = (
        "https://huggingface.co/HYPJUDY/dit/resolve/main/dit-fts",
        "https://layoutlm.blob.core.windows.net/dit/dit-fts",
    )
    return ModelEntry(
        source="https://github.com/microsoft/unilm/tree/master/dit",
        training_data="IIT-CDIP Test Collection 1.0 (self-supervised), then PubLayNet",
        original=RemoteFile(
            file_name,
            tuple(f"{place}/{file_name}" for place in places),
            note="The second host has refused since June 2023 (microsoft/unilm, issue 1141).",
        ),
        note=note,
    )


MODELS = {
    "deit-tiny-made-pages": ModelEntry(
        source="layoutdeit/assets/deit-tiny-made-pages.md",
        training_data="pages set by layoutdeit.corpus; no real page",
        licence="Apache-2.0",
        sha256="19702140cc9080c6f2a88e35aff5936177195d2302e92ba023fba09188c99e97",
    ),
    "dit-base-publaynet": _dit("publaynet_dit-b_mrcnn.pth", "Mask R-CNN; mAP .935 on PubLayNet's validation split"),
    "dit-large-publaynet": _dit("publaynet_dit-l_mrcnn.pth", "Mask R-CNN; mAP .941"),
    "dit-base-publaynet-cascade": _dit("publaynet_dit-b_cascade.pth", "Cascade R-CNN; mAP .945"),
    "dit-large-publaynet-cascade": _dit("publaynet_dit-l_cascade.pth", "Cascade R-CNN; mAP .949"),
}


def weights_dir() -> Path:
    """The user's cache: $XDG_CACHE_HOME/layoutdeit/weights, by default under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "layoutdeit" / "weights"


def find_model(name: str) -> Path | None:
    """The model file of a known name on this machine, or None. ValueError for an unknown name."""
    entry = _entry(name)
    folders = [ASSETS_DIR] if entry.is_shipped else [*map(Path, _offline_folders()), weights_dir()]
    places = [folder / f"{name}.safetensors" for folder in folders]
    return next((path for path in places if path.is_file()), None)


def resolve_model(name_or_path: str | Path | None) -> Path:
    """The file of a model given by name or by path; None: the shipped one.

    ValueError for an unknown name; FileNotFoundError, with the command that fetches it, for a model that is not here.
    """
    wanted = str(name_or_path or DEFAULT_MODEL)
    if wanted not in MODELS:
        path = Path(wanted)
        if not path.suffix:
            raise ValueError(
                f"unknown model {wanted!r}: use one of {', '.join(MODELS)}, or the path of a .safetensors file"
            )
        return path
    found = find_model(wanted)
    if found is None:
        remedy = (
            "install the package again" if MODELS[wanted].is_shipped else f"python -m layoutdeit.weights pull {wanted}"
        )
        raise FileNotFoundError(f"the model {wanted} is not on this machine: {remedy}")
    return found


def existing_model(name_or_path: str | Path | None) -> Path:
    """As resolve_model, and the file is there. ValueError or FileNotFoundError where it is not."""
    path = resolve_model(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(f"no model file at {path}: give the name of a known model or the path of a file")
    return path


def pull_model(name: str, *, mirrors: Sequence[str] = (), progress: Progress | None = None) -> Path:
    """Bring a known model to this machine, checked, and return its file; nothing is asked for what is here already.

    A published original is fetched into the cache and converted there (float32, exact); it stays beside the model, but
    goes again where it cannot be converted, so that another place can be tried. mirrors: as fetch_file takes them,
    tried first. ValueError or ConnectionError say in a sentence what failed.
    """
    entry = _entry(name)
    if entry.original is None or find_model(name) is not None:
        check_model(name)
        return resolve_model(name)
    places = (*mirrors, *_offline_folders())
    original = fetch_file(name, entry.original, weights_dir(), mirrors=places, progress=progress)

    from layoutdeit.detector_conversion import convert_file

    path = weights_dir() / f"{name}.safetensors"
    try:
        convert_file(original, path)
    except (ValueError, LookupError, TypeError, RuntimeError) as error:  # whatever tensors of another kind lead to
        raise ValueError(_refuse(name, original, error)) from error
    record = {"name": name, "sha256": file_sha256(path), "num_bytes": path.stat().st_size}
    write_record(path, {**record, "converted_from": read_record(original)})
    return path


def _refuse(name: str, original: Path, error: Exception) -> str:
    """Remove an original that cannot be converted, with its record, if it was fetched; say what was wrong with it."""
    reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    record_path, place = original.with_name(f"{original.name}.json"), (read_record(original) or {}).get("url")
    if place is None:  # put there by hand, and maybe its owner's only copy
        return f"{original} cannot be converted ({reason}): delete it and {record_path.name}, and pull {name} again"
    original.unlink(missing_ok=True)
    record_path.unlink(missing_ok=True)
    return f"what came from {place} cannot be converted ({reason}) and was removed: name another --mirror for {name}"


def check_model(name: str) -> str:
    """The sha256 of a model's file, compared with what is stated or recorded.

    FileNotFoundError where it is not here, ValueError where it is damaged. An original kept beside it is checked too.
    """
    entry, path = _entry(name), resolve_model(name)
    sha256 = checked_sha256(path)
    if entry.original is not None:
        original = weights_dir() / entry.original.file_name
        if original.is_file():
            check_file(name, entry.original, original)
    return sha256


def checked_sha256(path: Path) -> str:
    """The sha256 of any model file. ValueError where it is stated (shipped) or recorded (pulled) to be another."""
    sha256, expected = file_sha256(path), expected_sha256(path)
    if expected is not None and sha256 != expected:
        is_shipped = path.parent == ASSETS_DIR
        remedy = "install the package again" if is_shipped else f"delete it and {path.name}.json, and pull it again"
        raise ValueError(f"{path} is damaged: its sha256 is {sha256}, expected {expected}; {remedy}")
    return sha256


def expected_sha256(path: Path) -> str | None:
    """What is stated of a shipped model file, or was recorded of a pulled one; None: nothing is known of it."""
    if path.parent == ASSETS_DIR:
        entry = MODELS.get(path.stem)
        return None if entry is None else entry.sha256
    return (read_record(path) or {}).get("sha256")


def _offline_folders() -> tuple[str, ...]:
    """The folder of LAYOUTDEIT_WEIGHTS, if it is set."""
    return tuple(filter(None, (os.environ.get(OFFLINE_VARIABLE),)))


def _entry(name: str) -> ModelEntry:
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: use one of {', '.join(MODELS)}")
    return MODELS[name]
