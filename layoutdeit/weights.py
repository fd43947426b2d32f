"""Models by name or file, and their command line: `python -m layoutdeit.weights COMMAND`.

list says what is known of every model, pull fetches one, verify checks what is here, convert goes between our model
files and detectron2's .pth, average makes one model of several, export writes ONNX. docs/weights.md has examples.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.config import load_config
from backbone.usage import UsageError, checking_usage, report
from layoutdeit.config import DetectorConfig
from layoutdeit.detector_file import PRECISIONS, is_model_file, read_model_file, save_model
from layoutdeit.engines import build_detector
from layoutdeit.layout import ModelInfo
from layoutdeit.model_registry import (
    DEFAULT_MODEL,
    MODELS,
    check_model,
    checked_sha256,
    existing_model,
    expected_sha256,
    find_model,
    pull_model,
    resolve_model,
)

if TYPE_CHECKING:
    import torch

    from layoutdeit.engines.base import Detector

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "LoadedModel",
    "is_model_file",
    "load_model",
    "main",
    "read_model_file",
    "resolve_model",
    "save_model",
]


@dataclass(frozen=True)
class LoadedModel:
    """A detector ready to predict, who it is, and how it was made."""

    detector: Detector
    info: ModelInfo
    config: DetectorConfig
    record: dict[str, Any] = field(default_factory=dict)


def load_model(
    name_or_path: str | Path | None = None,
    *,
    engine: str = "torchvision",
    device: str | torch.device = "cpu",
    precision: str = "fp32",
) -> LoadedModel:
    """Load a known model by name, or any model file by path, to predict with it; None: the shipped one.

    `precision` is of engines/precision.py: fp32 for exact numbers, auto for what pays on this machine.
    ValueError for an unknown name, a file that is not ours or a damaged one; FileNotFoundError for a missing file, and
    for a known model that was not pulled yet.
    """
    from layoutdeit.engines.precision import chosen_precision, prepare_to_predict

    path = resolve_model(name_or_path)
    config, record, state = read_model_file(path)
    detector = build_detector(config, engine)
    detector.load_state_dict(state)
    detector.to(device).eval()
    precision = chosen_precision(precision, detector, device)
    prepare_to_predict(detector, precision)
    info = ModelInfo(name=path.stem, sha256=checked_sha256(path), engine=engine, precision=precision)
    return LoadedModel(detector, info, config, record)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return the exit status: 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.weights", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="every known model: where it is, its hash, size, licence and sources")
    listing.set_defaults(run=lambda options: _list())

    pull = commands.add_parser("pull", help="bring a model to this machine")
    pull.add_argument("names", nargs="+", metavar="NAME")
    pull.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="URL|DIR",
        help="tried first: an address or a path, of the file or of the folder that has it; may be given several times",
    )
    pull.set_defaults(run=_pull)

    verify = commands.add_parser("verify", help="check the files that are here against what is stated or recorded")
    verify.add_argument("names", nargs="*", metavar="NAME|FILE", help="by default all known models that are here")
    verify.set_defaults(run=_verify)

    convert = commands.add_parser("convert", help="a model file of ours to detectron2's .pth, a .pth to a model file")
    convert.add_argument(
        "source", metavar="IN", help="a .safetensors or .pth file, or the name of a model that is here"
    )
    convert.add_argument(
        "target", type=Path, metavar="OUT", help="what to write: .safetensors is ours, .pth detectron2's"
    )
    convert.add_argument(
        "settings", nargs="*", metavar="key=value", help="of the detector, where a .pth does not tell or tells wrong"
    )
    convert.add_argument(
        "--precision", choices=PRECISIONS, help="of a model file; by default the least that loses nothing"
    )
    convert.add_argument(
        "--like", metavar="NAME|FILE", help="a model whose settings a .pth has that does not tell them"
    )
    convert.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    convert.set_defaults(run=_convert)

    averaging = commands.add_parser("average", help="the mean of the weights of several models of one network")
    averaging.add_argument("sources", nargs="+", metavar="NAME|FILE", help="known models or model files, two or more")
    averaging.add_argument("-o", "--output", dest="target", type=Path, required=True, metavar="OUT.safetensors")
    averaging.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    averaging.set_defaults(run=_average)

    exporting = commands.add_parser("export", help="a model as ONNX, compared with the original in onnxruntime")
    exporting.add_argument("source", metavar="NAME|FILE", help="a known model or a model file")
    exporting.add_argument("target", type=Path, metavar="OUT.onnx", help="what to write")
    exporting.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="px of its pages, multiples of 32 [A4 portrait]"
    )
    exporting.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    exporting.set_defaults(run=_export)

    options, others = parser.parse_known_args(arguments)
    if others:  # argparse gives up a list of settings at the first option: those after it are taken here
        if not hasattr(options, "settings") or any(other.startswith("-") for other in others):
            parser.error(f"unrecognized arguments: {' '.join(others)}")
        options.settings += others
    try:
        return options.run(options)
    except (ValueError, OSError, ImportError) as error:
        return report(error)


def _list() -> int:
    for name in MODELS:
        print("\n".join(_description(name)), end="\n\n")
    return 0


def _description(name: str) -> Iterator[str]:
    """What is known of a model, a line for each; what nobody states is unknown."""
    entry, path = MODELS[name], find_model(name)
    yield f"{name}{' (shipped)' if entry.is_shipped else ''}"
    yield f"  file           {path or f'not here: python -m layoutdeit.weights pull {name}'}"
    yield f"  sha256         {entry.sha256 or (path and expected_sha256(path)) or 'unknown: no source states it'}"
    yield f"  size           {f'{path.stat().st_size / 1e6:.1f} MB' if path else 'unknown until it is here'}"
    yield f"  licence        {entry.licence or 'unknown: its source states none'}"
    yield f"  training data  {entry.training_data}"
    yield f"  source         {entry.source}{f' ({entry.note})' if entry.note else ''}"
    for place in entry.original.places if entry.original else ():
        yield f"  mirror         {place}"


def _pull(options: argparse.Namespace) -> int:
    unknown = [name for name in options.names if name not in MODELS]
    if unknown:
        raise UsageError(f"unknown models: {', '.join(unknown)}; known: {', '.join(MODELS)}")
    for name in options.names:
        path = pull_model(name, mirrors=options.mirror, progress=_progress(name))
        print(f"{name}: {path}")
    return 0


def _progress(name: str) -> Callable[[int, int | None], None]:
    """Say every few seconds how far a download is."""
    shown = [time.monotonic()]

    def show(num_here: int, num_expected: int | None) -> None:
        if time.monotonic() - shown[0] > 5:
            shown[0] = time.monotonic()
            whole = "" if num_expected is None else f" of {num_expected / 1e6:.0f}"
            print(f"{name}: {num_here / 1e6:.0f}{whole} MB", file=sys.stderr)

    return show


def _verify(options: argparse.Namespace) -> int:
    names = options.names or [name for name in MODELS if find_model(name) is not None]
    with checking_usage(ValueError):
        for name in set(names) - MODELS.keys():
            resolve_model(name)
    num_failed = 0
    for name in names:
        try:
            path = resolve_model(name)
            sha256, expected = check_model(name) if name in MODELS else checked_sha256(path), expected_sha256(path)
            read_model_file(path)
            print(f"{name}: sha256 {sha256}, {'as expected' if expected else 'and no record to compare it with'}")
        except (ValueError, OSError) as error:
            num_failed += 1
            print(f"{name}: {error}")
    return 1 if num_failed else 0


def _convert(options: argparse.Namespace) -> int:
    from layoutdeit.detector_conversion import TORCH_SUFFIXES, convert_file, settings_as_overrides

    _check_target(options, (".safetensors", *TORCH_SUFFIXES))
    with checking_usage():
        source = existing_model(options.source)
        like = None if options.like is None else existing_model(options.like)
    settings = options.settings
    if like is not None:
        settings = [*settings_as_overrides(read_model_file(like)[0]), *settings]
    with checking_usage():
        load_config(DetectorConfig, overrides=settings)
    for line in convert_file(source, options.target, settings, precision=options.precision):
        print(line)
    print(f"wrote {options.target}")
    return 0


def _average(options: argparse.Namespace) -> int:
    from layoutdeit.weight_average import average_models

    _check_target(options, (".safetensors",))
    if len(options.sources) < 2:
        raise UsageError("an average takes two models or more")
    with checking_usage():
        sources = [existing_model(source) for source in options.sources]
    num_tensors = average_models(sources, options.target)
    print(f"wrote {options.target}: the mean of {len(sources)} models, {num_tensors} tensors")
    return 0


def _export(options: argparse.Namespace) -> int:
    _check_target(options, (".onnx",))
    with checking_usage():
        source = existing_model(options.source)
    size_hw = None if options.size is None else (options.size[0], options.size[1])

    from layoutdeit.onnx_export import SizeError, export_onnx

    loaded = load_model(source)
    with checking_usage(SizeError):
        done = export_onnx(loaded.detector, options.target, size_hw, sha256=loaded.info.sha256)
    height, width = done.size_hw
    print(f"wrote {options.target}: pages of {height} x {width} px (height x width)")
    print(
        f"on a drawn and a blank page, onnxruntime differs from PyTorch by {done.box_px:.2g} px, {done.score:.2g} score"
    )
    return 0


def _check_target(options: argparse.Namespace, suffixes: tuple[str, ...]) -> None:
    """UsageError for a name of another kind; ValueError for a file that is there and is not to be replaced."""
    if options.target.suffix not in suffixes:
        raise UsageError(f"cannot tell the format of {options.target}: expected a name in {' or '.join(suffixes)}")
    if options.target.exists() and not options.overwrite:
        raise ValueError(f"{options.target} is there already: give another name, or --overwrite")


if __name__ == "__main__":
    sys.exit(main())
