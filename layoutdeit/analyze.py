"""The command line of `python -m layoutdeit.analyze`. Nothing that takes time is imported before it is needed."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.usage import report_interruption
from layoutdeit.analyzer import DEFAULT_SCORE, LayoutAnalyzer, checked_score
from layoutdeit.engines import PRECISIONS

if TYPE_CHECKING:
    from layoutdeit.batch import Input, Results

DEFAULT_FORMATS = "json,pdf,png"


def main(argv: Sequence[str] | None = None, *, analyzer: LayoutAnalyzer | None = None) -> int:
    """Run the command line; return its exit status. `analyzer` takes the place of the one that --model names."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        with ExitStack() as cleanup:
            return _run(parser, options, analyzer, cleanup)
    except KeyboardInterrupt:
        return report_interruption()


def _run(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    analyzer: LayoutAnalyzer | None,
    cleanup: ExitStack,
) -> int:
    from layoutdeit.batch import parse_pages, plan_targets, run_batch, shown
    from layoutdeit.bulk_command import RESERVED_NAMES, bulk_run, check_options
    from layoutdeit.bulk_display import print_line
    from layoutdeit.export import ANNOTATED_SUFFIX, chosen_formats
    from layoutdeit.source_file import real_path

    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    try:
        formats = chosen_formats(options.formats.split(","))
        pages = parse_pages(options.pages) if options.pages is not None else None
        checked_score(options.score)
        check_options(options)
        inputs, results = _places(options, cleanup)
        if not inputs:
            raise ValueError(f"no PDF files and no scans in {', '.join(options.sources)}")
        targets = plan_targets(inputs, Path(), reserved=RESERVED_NAMES if options.workers is not None else ())
        sources = {real_path(item.path) for item in inputs}
        targets = [results.target(target) for target in targets]
        for target in targets:
            if real_path(target.with_name(target.name + ANNOTATED_SUFFIX)) in sources:
                raise ValueError(f"{target.name}{ANNOTATED_SUFFIX} is an input: choose another folder with -o")
        if results.dir.is_file():
            raise ValueError(f"{results.dir} is a file: choose a folder with -o")
        results.dir.mkdir(parents=True, exist_ok=True)
        if options.workers is not None:
            run = bulk_run(options, inputs, targets, formats, pages, results).run
        else:
            analyzer = analyzer or LayoutAnalyzer(
                options.model,
                engine=options.engine,
                device=options.device,
                precision=options.precision,
                score=options.score,
            )
            run = partial(
                run_batch,
                analyzer,
                inputs,
                targets,
                formats,
                pages=pages,
                password=options.password,
                results=results,
                report=lambda line: options.quiet or print_line(line, sys.stderr),
                announce=lambda line: options.quiet or print_line(line, sys.stdout),
            )
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))  # exits with 2
    try:
        failures = run()
    except (ValueError, OSError) as error:  # of a bulk run, which cannot go on
        print(f"stopped: {error}. The same command goes on from here.", file=sys.stderr)
        return 1
    if failures:
        print(f"{len(failures)} of {len(inputs)} inputs failed:", file=sys.stderr)
    for failure in failures:
        print(f"  {shown(failure.source)}: {failure.code}: {failure.message}", file=sys.stderr)
    return 1 if failures else 0


def _places(options: argparse.Namespace, cleanup: ExitStack) -> tuple[list[Input], Results]:
    """The inputs, and where their results go; `cleanup` removes the copies of what lies elsewhere."""
    from layoutdeit.batch import Results, find_inputs
    from layoutdeit.cloud import CloudResults, find_cloud_inputs, is_address, own_work_dir

    addresses = [source for source in options.sources if is_address(source)]
    here = [source for source in options.sources if not is_address(source)]
    if options.state is not None and not is_address(options.out):
        raise ValueError("--state is for results at an address: those in a folder have their ledger beside them")
    if not is_address(options.out):
        work_dir = Path(options.out)
    elif options.state is not None:
        work_dir = options.state
    elif options.workers is None:
        work_dir = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="layoutdeit-")))
    else:
        raise ValueError("--workers with results at an address needs --state DIR: where the ledger is, to go on from")
    if addresses or is_address(options.out):
        cleanup.enter_context(own_work_dir(work_dir))
    results = CloudResults(options.out, work_dir) if is_address(options.out) else Results(work_dir)
    inputs = find_inputs(here, out_dir=work_dir)
    return [*inputs, *find_cloud_inputs(addresses, work_dir, out=options.out)], results


def _parser() -> argparse.ArgumentParser:
    from layoutdeit.bulk_command import add_options

    parser = argparse.ArgumentParser(
        prog="python -m layoutdeit.analyze",
        description="Find text, titles, lists, tables and figures on the pages of PDF files.",
        epilog="Exit status: 0 all done, 1 some inputs failed (listed at the end), 2 wrong usage.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="FILE",
        help="PDF, JPEG, PNG or TIFF files, or folders of them, here or at addresses such as s3://bucket/folder",
    )
    parser.add_argument("-o", "--out", default="out", help="folder for the results, here or at an address [out]")
    parser.add_argument("--state", type=Path, metavar="DIR", help="what a run needs to go on, where -o is an address")
    parser.add_argument(
        "--formats", default=DEFAULT_FORMATS, help="json,jsonl,pdf,png,coco,csv,md,html,crops,parquet [%(default)s]"
    )
    parser.add_argument("--pages", help="such as 1-3,7 or 5- [all]")
    parser.add_argument("--password", help="for the files that need one")
    parser.add_argument("--model", help="name of a model, or its file [the shipped one]")
    parser.add_argument("--engine", choices=("torchvision", "detectron2"), default="torchvision")
    parser.add_argument("--device", help="torch device [cuda where there is one, otherwise cpu]")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto", help="arithmetic [%(default)s]")
    parser.add_argument("--score", type=float, default=DEFAULT_SCORE, help="lowest score shown, 0 to 1 [%(default)s]")
    add_options(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only failures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
