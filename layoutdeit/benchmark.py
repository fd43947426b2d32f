"""Measure an analysis on this machine: `python -m layoutdeit.benchmark [--model NAME|FILE] [--pages DIR] [--out FILE]`.

Seconds of every stage from PDF to regions beside the arithmetic in it and the rate at which this machine multiplies;
pages per second; and whatever else is installed that does the same, all in turns in one run, so that a machine that
slows down slows all of them alike. docs/speed.md has what it printed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.usage import at_least, check_writable, checking_usage, report, usable_device
from layoutdeit.engines import PRECISIONS

if TYPE_CHECKING:
    import torch

    from layoutdeit.page_cost import Subject

SAMPLE = Path(__file__).parent / "assets" / "sample.pdf"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; 0 done, 1 failed, 2 usage."""
    options = _parser().parse_args(arguments)

    import torch

    from backbone.benchmark import machine_in_words
    from layoutdeit.batch import find_inputs
    from layoutdeit.page_cost import measure, pages_of
    from layoutdeit.pdf import PdfError, open_document
    from layoutdeit.speed_report import Report, in_words

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        with checking_usage():
            _check_paths(options)
        device = usable_device(options.device)
        subject = _subject(options, device)
        machine = machine_in_words(device).splitlines()
        print("\n".join(machine), flush=True)
        with ExitStack() as open_files:
            paths = [item.path for item in find_inputs([str(options.pages)])]
            documents = [open_files.enter_context(open_document(path)) for path in paths]
            pages = pages_of(documents, options.num_pages)
            measured = measure(
                subject,
                pages,
                device,
                seconds=options.seconds,
                peers=options.peers,
                progress=lambda line: print(line, file=sys.stderr, flush=True),
            )
    except (ValueError, OSError, ImportError, PdfError, RuntimeError) as error:
        return report(error)
    not_measured = ["a GPU: there is none"] if device.type == "cpu" else []
    if options.peers != "all":
        not_measured.append(f"all else that is installed (--peers {options.peers})")
    measurement = Report(
        machine=machine,
        command=shlex.join(
            ["python", "-m", "layoutdeit.benchmark", *(sys.argv[1:] if arguments is None else arguments)]
        ),
        date=date.today().isoformat(),
        model=subject.info.name,
        precision=subject.info.precision,
        num_pages=len(pages),
        not_measured=not_measured,
        **vars(measured),
    )
    print(in_words(measurement))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(measurement.to_dict(), indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.benchmark", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", metavar="NAME|FILE", help="a known model or a model file [the shipped one]")
    add(
        "--published-size",
        action="store_true",
        help="the DeiT-B detector of arXiv:2203.02378 at 800 px, random weights",
    )
    add("--precision", choices=PRECISIONS, default="auto", help="arithmetic of ours [%(default)s]")
    add("--threads", type=at_least(1), metavar="N", help="of torch [one per core]")
    add("--device", help="torch device [cuda where there is one, otherwise cpu]")
    add("--pages", type=Path, default=SAMPLE, metavar="DIR|FILE", help="documents to analyse [the sample paper]")
    add("--num-pages", type=at_least(1), default=8, metavar="N", help="of them, the first so many [%(default)s]")
    add("--seconds", type=float, default=3.0, help="per measurement, at least [%(default)s]")
    add("--peers", choices=("all", "engines", "none"), default="all", help="what is timed beside ours [%(default)s]")
    add("--out", type=Path, metavar="FILE.json", help="write the numbers")
    return parser


def _check_paths(options: argparse.Namespace) -> None:
    """ValueError or OSError unless the model, the pages and the place to write to are there."""
    from layoutdeit.model_registry import existing_model

    if options.published_size and options.model is not None:
        raise ValueError("--published-size has random weights: leave out --model")
    if not options.published_size:
        existing_model(options.model)
    if not options.pages.exists():
        raise FileNotFoundError(f"no file or folder {options.pages}: give documents with --pages")
    if options.out is not None:
        check_writable(options.out)


def _subject(options: argparse.Namespace, device: torch.device) -> Subject:
    """The detector to measure. ValueError, OSError as load_model's."""
    import torch

    from layoutdeit.config import DetectorConfig
    from layoutdeit.engines import build_detector
    from layoutdeit.engines.precision import chosen_precision, prepare_to_predict
    from layoutdeit.layout import ModelInfo
    from layoutdeit.page_cost import Subject
    from layoutdeit.weights import load_model, read_model_file, resolve_model

    if not options.published_size:
        loaded = load_model(options.model, device=device, precision=options.precision)
        _, _, state = read_model_file(resolve_model(options.model))
        return Subject(loaded.detector, loaded.config, loaded.info, state)
    torch.manual_seed(0)
    config = DetectorConfig()
    detector = build_detector(config).to(device).eval()
    state = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    precision = chosen_precision(options.precision, detector, device)
    prepare_to_predict(detector, precision)
    return Subject(detector, config, ModelInfo("DeiT-B detector, random weights", "", "torchvision", precision), state)


if __name__ == "__main__":
    sys.exit(main())
