"""Models by name, as a command: python -m layoutdeit.weights list | pull NAME | verify [NAME|FILE] | convert IN OUT."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from layoutdeit.known_models import DEFAULT_MODEL, MODELS, model_path

COMMAND = "python -m layoutdeit.weights"


def main(arguments: list[str] | None = None) -> int:
    """Run the command. 0: done; 1: it could not be done, with the reason; 2: wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _list(options: argparse.Namespace) -> int:
    """Every model with a name: where it is, and what is known of it; "unknown" where no source says."""
    from backbone.download import file_record

    del options
    for name, known in MODELS.items():
        path = model_path(name)
        came = file_record(path.with_name(known.published.file_name)) if known.published else {}
        size = path.stat().st_size if path.is_file() else came.get("num_bytes")
        print(f"{name}{' (the default)' if name == DEFAULT_MODEL else ''}")
        print(f"  here:          {path if path.is_file() else f'no: {COMMAND} pull {name}'}")
        print(f"  size:          {f'{size / 1e6:.1f} MB' if size else 'unknown'}")
        print(f"  sha256:        {known.sha256 or came.get('sha256') or 'unknown'}{_of_source(known)}")
        print(f"  licence:       {known.licence or 'unknown'}")
        print(f"  training data: {known.training_data}")
        print(f"  score:         {known.score}")
        if known.published:
            print(f"  from:          {known.published.url}\n  mirror:        {known.published.mirror or 'none'}")
            print(f"  source:        {known.published.source}. {known.published.note}".rstrip())
    return 0


def _pull(options: argparse.Namespace) -> int:
    """Fetch models, check them, and make them ready for --model."""
    from backbone.download import fetch_file
    from layoutdeit.detectron2_files import convert_file

    for name in options.names:
        if name not in MODELS:
            raise ValueError(f"unknown model {name!r}: use one of {', '.join(MODELS)}")
    for name in options.names:
        known = MODELS[name]
        if known.published is None:
            print(f"{name}: comes with the package, {model_path(name)}")
            continue
        path = fetch_file(name, known.published, mirrors=options.mirror)
        print(f"{name}: {path}")
        if not model_path(name).is_file():
            print(convert_file(path, model_path(name)))
    return 0


def _verify(options: argparse.Namespace) -> int:
    """Check models against the hash that is stated or was written down, and read them whole."""
    from backbone.download import check_against_record
    from layoutdeit.detector_file import file_sha256, load_model, resolve_model

    names = options.names or [name for name in MODELS if model_path(name).is_file()]
    num_bad = 0
    for name in names:
        try:
            path = resolve_model(name)
            known = MODELS.get(name)
            if known is not None and known.published is not None:
                checkpoint = path.with_name(known.published.file_name)
                if checkpoint.is_file():
                    check_against_record(name, known.published, checkpoint)
            loaded = load_model(name)  # checks the shipped one's hash
            print(f"{name}: whole, {len(loaded.detector.state_dict())} tensors, sha256 {file_sha256(path)}")
        except (ValueError, OSError, RuntimeError) as error:
            num_bad += 1
            print(f"{name}: {error}", file=sys.stderr)
    return 1 if num_bad else 0


def _convert(options: argparse.Namespace) -> int:
    """A model file to detectron2's .pth, or back."""
    from layoutdeit.detectron2_files import convert_file

    print(convert_file(options.source, options.output, like=options.like))
    return 0


def _of_source(known: object) -> str:
    published = getattr(known, "published", None)
    return " (of the checkpoint as fetched)" if published else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="list|pull|verify|convert")
    listed = commands.add_parser("list", help=_list.__doc__)
    listed.set_defaults(run=_list)
    pulled = commands.add_parser("pull", help=_pull.__doc__, description=_pull.__doc__)
    pulled.add_argument("names", nargs="+", metavar="NAME")
    pulled.add_argument("--mirror", action="append", default=[], metavar="URL|DIR", help="tried first; may be repeated")
    pulled.set_defaults(run=_pull)
    verified = commands.add_parser("verify", help=_verify.__doc__, description=_verify.__doc__)
    verified.add_argument("names", nargs="*", metavar="NAME|FILE", help="default: all that are here")
    verified.set_defaults(run=_verify)
    converted = commands.add_parser("convert", help=_convert.__doc__, description=_convert.__doc__)
    converted.add_argument("source", type=Path, metavar="IN", help="a model of ours, or a .pth of detectron2")
    converted.add_argument("output", type=Path, metavar="OUT", help="MODEL.pth or MODEL.safetensors")
    converted.add_argument("--like", metavar="MODEL", help="take the settings of this model for a .pth without any")
    converted.set_defaults(run=_convert)
    return parser


if __name__ == "__main__":
    sys.exit(main())
