"""Make training pages: `python -m layoutdeit.corpus make | annotate | merge | check`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from layoutdeit.corpus.journal_families import FAMILY_WEIGHTS, families_without


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0 done, 1 some inputs skipped or something wrong, 2 wrong use."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        is_failure = isinstance(error, OSError) and not isinstance(error, FileNotFoundError | NotADirectoryError)
        return 1 if is_failure else 2  # a full disk is nobody's wrong use


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.corpus", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="make|annotate|merge|check")

    make = commands.add_parser("make", help="set N pages with Typst")
    make.add_argument("num_pages", type=int, metavar="N")
    make.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--split", choices=["train", "val"], default="train")
    make.add_argument("--workers", type=int, default=1, metavar="W")
    known = ", ".join(FAMILY_WEIGHTS)
    make.add_argument("--families", default="", metavar="A,B", help=f"template families to draw from; all are {known}")
    make.add_argument("--without", default="", metavar="C,D", help="template families to hold out, for evaluation")
    make.set_defaults(run=_make)

    annotate = commands.add_parser("annotate", help="turn tagged PDFs into annotated pages")
    annotate.add_argument("pdfs", type=Path, nargs="+", metavar="PDF")
    annotate.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    annotate.add_argument("--split", choices=["train", "val"], default="train")
    annotate.add_argument("--dpi", type=float, default=72.0)
    annotate.set_defaults(run=_annotate)

    merge = commands.add_parser("merge", help="make one tree of several, to train on all")
    merge.add_argument("trees", type=Path, nargs="+", metavar="DIR")
    merge.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    merge.add_argument("--split", choices=["train", "val"], default="train")
    merge.set_defaults(run=_merge)

    check = commands.add_parser("check", help="say what is wrong with a tree, and what is in it")
    check.add_argument("tree", type=Path, metavar="DIR", help="a tree like PubLayNet's, whole or part")
    check.add_argument("--split", metavar="NAME", help="only NAME.json and NAME/; default: every split there is")
    check.add_argument("--read", type=_count, default=2000, metavar="N", help="pictures to read in full; 0: all")
    check.add_argument("--pages", type=_count, default=16, help="pages on the contact sheet, from the first on")
    check.add_argument("--first", type=_count, default=0, help="index of the first page on the sheet")
    check.add_argument("--sheet", type=Path, metavar="PNG", help="where to write it; default DIR/contact_sheet.png")
    check.set_defaults(run=_check)
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {number}")
    return number


def _check_folder(path: Path) -> None:
    """NotADirectoryError where no folder can be made because a file has that name, or one above it."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"{there} is a file: give a folder with --output")


def _make(options: argparse.Namespace) -> int:
    from layoutdeit.corpus.typeset import CorpusJob, make_corpus

    _check_folder(options.output)
    started = time.monotonic()
    chosen, held_out = (tuple(filter(None, names.split(","))) for names in (options.families, options.without))
    chosen = families_without(held_out, chosen) if held_out else chosen
    job = CorpusJob(options.num_pages, options.output, options.seed, options.split, options.workers, chosen)
    records = make_corpus(job)
    seconds = time.monotonic() - started
    print(f"{len(records)} pages in {seconds:.1f} s ({len(records) / seconds:.1f} pages/s) in {options.output}")
    return 0


def _annotate(options: argparse.Namespace) -> int:
    from layoutdeit.corpus.annotate import annotate_pdfs

    _check_folder(options.output)
    report = annotate_pdfs(options.pdfs, options.output, split=options.split, dpi=options.dpi)
    for path, reason in report.skipped:
        print(f"skipped {path}: {reason}", file=sys.stderr)
    for path, number, reason in report.left_out:
        print(f"left out page {number} of {path}: {reason}", file=sys.stderr)
    print(f"{report.num_pages} pages of {len(options.pdfs) - len(report.skipped)} PDFs in {options.output}")
    return 1 if report.skipped or report.left_out else 0


def _merge(options: argparse.Namespace) -> int:
    from layoutdeit.corpus.merge import merge_trees

    _check_folder(options.output)
    num_pages = merge_trees(options.trees, options.output, split=options.split)
    print(f"{num_pages} pages of {len(options.trees)} trees in {options.output}, split {options.split}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from layoutdeit.corpus.contact_sheet import contact_sheet
    from layoutdeit.corpus.tree_check import check_split, describe, find_splits, picture_records

    is_sound = True
    splits = [options.split] if options.split else find_splits(options.tree)
    for split in splits:
        check = check_split(options.tree, split, num_pictures=options.read)
        is_sound &= check.is_sound
        print("\n".join([f"{split}:", *check.lines(), describe(check.annotations)]))
        path = options.sheet or options.tree / "contact_sheet.png"
        if len(splits) > 1:
            path = path.with_stem(f"{path.stem}_{split}")
        shown = picture_records(check, range(options.first, options.first + options.pages))
        try:
            contact_sheet(shown, options.tree / split).save(path)
        except OSError as error:  # a tree may well be read-only
            print(f"no contact sheet ({error}): name another place with --sheet", file=sys.stderr)
        else:
            print(f"contact sheet: {path}")
    print("nothing is wrong" if is_sound else "some of it would be left out, as listed above")
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
