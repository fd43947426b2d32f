"""Many documents in one run: which files, which pages, where each result goes, and what became of each."""

from __future__ import annotations

import itertools
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layoutdeit.export import ANNOTATED_SUFFIX, export, hint_of_scans
from layoutdeit.layout import PageError, SourceInfo
from layoutdeit.page_store import PageStore, stored_layout
from layoutdeit.pdf import Document, PdfError, open_document
from layoutdeit.source_file import real_path

if TYPE_CHECKING:
    from layoutdeit.analyzer import LayoutAnalyzer

SUFFIXES = (".pdf", ".jpg", ".jpeg", ".png", ".tif", ".tiff")  # looked for in folders; what they are is looked at

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Input:
    """A file to analyse, and the name it has in its results: relative to the folder it was found in."""

    path: Path
    relative: Path

    @property
    def source(self) -> Path | str:
        """What it is called in messages."""
        return self.path

    def fetch(self) -> None:
        """Have the file at `path`; it lies there already. Raises OSError."""

    def release(self) -> None:
        """The file is no longer needed."""


class Results:
    """Where results go: a folder. cloud.py has one that sends them on."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self.dir = folder

    def target(self, name: Path) -> Path:
        """The target of the document whose results are called `name`."""
        return self.dir / name

    def shown(self, name: str) -> str:
        """A result, given relative to the folder, for people."""
        return shown(self.dir / name)

    def exist(self, names: Sequence[str]) -> bool:
        """Whether these results, relative to the folder, are all there."""
        return all((self.dir / name).exists() for name in names)

    def keep(self, names: Sequence[str]) -> None:
        """Wait until the disk has these results, files or folders. Raises OSError."""
        for place in (self.dir / name for name in names):
            for path in (path for path in [place, *place.rglob("*")] if path.is_file()):
                with path.open("rb") as file:
                    os.fsync(file.fileno())

    def publish(self, target: Path) -> None:
        """All results of a target are written. Raises OSError where they cannot be handed on."""


@dataclass(frozen=True)
class Failure:
    """An input that failed, wholly or in some pages: a stable code and a sentence for people."""

    source: Path | str
    code: str
    message: str


def find_inputs(sources: Iterable[str | Path], *, out_dir: Path | None = None) -> list[Input]:
    """Files as given, and every PDF, JPEG, PNG and TIFF below the folders given, sorted; each file once.

    Left out below folders: hidden files, and results of an earlier run: *.annotated.pdf, what lies in the folder of
    that name beside it, anything in an `out_dir` that lies below the folder, and where `out_dir` is the folder
    itself, pictures in a folder named as a document beside it.
    A file that does not exist is kept: it fails when its turn comes, and the others do not. Raises ValueError for an
    empty name, which would be the current folder.
    """
    inputs: dict[Path, Input] = {}
    sources = list(sources)
    out = None if out_dir is None else real_path(out_dir)
    if "" in sources:
        raise ValueError("an empty name among the documents: is a variable unset? The current folder is called .")
    for source in map(Path, sources):
        if not source.is_dir():
            inputs.setdefault(real_path(source), Input(source, Path(source.name)))
            continue
        for path in sorted(source.rglob("*")):
            relative = path.relative_to(source)
            is_hidden = any(part.startswith(".") for part in relative.parts)
            is_ours = is_result(path.name) or _lies_beside(path, source, (ANNOTATED_SUFFIX,))
            if out == real_path(source):
                is_ours |= path.suffix.lower() != ".pdf" and _lies_beside(path, source, SUFFIXES)
            elif out is not None:
                is_ours |= real_path(source) in out.parents and out in real_path(path).parents
            if path.suffix.lower() in SUFFIXES and path.is_file() and not is_ours and not is_hidden:
                inputs.setdefault(real_path(path), Input(path, relative))
    return list(inputs.values())


def is_result(name: str) -> bool:
    """Whether a file of that name is one of ours wherever it lies."""
    return name.lower().endswith(ANNOTATED_SUFFIX)


def _lies_beside(path: Path, source: Path, suffixes: Sequence[str]) -> bool:
    """Whether a file lies beside one of the folders that hold the path, and is named as it is: a/x.pdf, a/x/1.png."""
    folders = path.relative_to(source).parents[:-1]
    return any((source / folder.with_name(folder.name + suffix)).is_file() for folder in folders for suffix in suffixes)


def plan_targets(inputs: Sequence[Input], out_dir: Path, *, reserved: Collection[str] = ()) -> list[Path]:
    """One target per input, a path below `out_dir` without suffix, no two alike and none that is `reserved`.

    An input is named by its stem, one found in a folder by its path in it. Inputs that would share a name take their
    folders as well (a/x.pdf and b/x.pdf -> a/x, b/x), then their suffix, then a number. Case does not tell names
    apart, since on some file systems it does not.
    """
    folders: dict[str, list[str]] = {}  # of the inputs that share a name
    for item in inputs:
        folders.setdefault(_key(item.relative), []).append(str(real_path(item.path).parent))
    common = {key: os.path.commonpath(group) for key, group in folders.items()}
    names = [_candidates(item, common[_key(item.relative)]) for item in inputs]
    choice = [0] * len(inputs)
    while True:
        keys = [str(options[index]).casefold() for options, index in zip(names, choice, strict=True)]
        clashes = {key for key, count in Counter(keys).items() if count > 1}
        movable = [n for n, key in enumerate(keys) if key in clashes and choice[n] + 1 < len(names[n])]
        if not movable:
            break
        for n in movable:
            choice[n] += 1
    taken = set(reserved)
    targets = []
    for options, index in zip(names, choice, strict=True):
        name, number = options[index], 1
        while str(name).casefold() in taken:
            number += 1
            name = options[index].with_name(f"{options[index].name}-{number}")
        taken.add(str(name).casefold())
        targets.append(out_dir / name)
    return targets


def parse_pages(text: str) -> tuple[range, ...]:
    """Page numbers from 1, as typed: "1-3,7" or "5-" (to the end). ValueError says what is wrong."""
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:(-)\s*(\d{1,9})?\s*)?", part)
        if match is None:
            raise ValueError(f"cannot read {part!r} as pages: expected something like 1-3,7 or 5-")
        first = int(match[1])
        last = int(match[3]) if match[3] else sys.maxsize - 1 if match[2] else first
        if not 1 <= first <= last:
            raise ValueError(f"cannot read {part!r} as pages: they count from 1, the first before the last")
        ranges.append(range(first, last + 1))
    return tuple(ranges)


def select_pages(ranges: Sequence[range] | None, num_pages: int) -> list[int]:
    """The pages of a document that the ranges name, ascending, each once; all of them for None."""
    if ranges is None:
        return list(range(1, num_pages + 1))
    chosen = {number for pages in ranges for number in range(pages.start, min(pages.stop, num_pages + 1))}
    return sorted(chosen)


def asked_pages(name: str, num_pages: int, ranges: Sequence[range] | None) -> list[int]:
    """The pages of the document called `name` that the ranges name; PdfError "empty" where it has none of them."""
    numbers = select_pages(ranges, num_pages)
    if not numbers:
        raise PdfError("empty", f"{name} has only {num_pages} page(s), none of those asked for.")
    return numbers


def run_batch(
    analyzer: LayoutAnalyzer,
    inputs: Sequence[Input],
    targets: Sequence[Path],
    formats: Sequence[str],
    *,
    pages: Sequence[range] | None = None,
    password: str | None = None,
    results: Results | None = None,
    report: Callable[[str], None] = lambda line: None,
    announce: Callable[[str], None] = lambda line: None,
) -> list[Failure]:
    """Analyse and export each input; return those that failed.

    `report` gets a line per page as it is done, `announce` one per document that says where its results are.
    Pages wait on disk until the document is done, so its length costs no memory.

    A document of which some pages failed is written with the others, and counts as failed.
    """
    failures = []
    for item, target in zip(inputs, targets, strict=True):
        try:
            item.fetch()
            with open_document(item.path, password=password) as document, PageStore() as store:
                numbers = asked_pages(document.name, document.num_pages, pages)
                _analyze(analyzer, document, item, numbers, store, report)
                source = SourceInfo(document.name, document.sha256, document.num_pages)
                layout = stored_layout(source, analyzer.info, store, numbers)
                written = export(layout, document, target, formats)
                hint = hint_of_scans(layout, formats)
                errors = {page.number: page.error for page in layout.pages if page.error is not None}
            if errors:
                failures.append(failed_pages(item, errors, len(numbers)))
            names = map(shown, written)
            if results is not None:
                names = [results.shown(path.relative_to(results.dir).as_posix()) for path in written]
                results.publish(target)
            announce(f"{shown(item.relative)} -> {', '.join(names)}")
            if hint:
                announce(f"{shown(item.relative)}: {hint}")
        except PdfError as error:
            failures.append(Failure(item.source, error.code, str(error)))
        except OSError as error:
            failures.append(failed_file(item, error))
        except Exception as error:  # whatever a file may provoke in code that expected none: the others go on
            logger.error("%s", shown(item.path), exc_info=True)
            message = f"{shown(item.source)} could not be analysed: {type(error).__name__}: {error}. Leave it out."
            failures.append(Failure(item.source, "corrupt", message))
        finally:
            item.release()
    return failures


def shown(path: Path | str) -> str:
    """A path for people: on one line, and printable in any encoding."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _analyze(
    analyzer: LayoutAnalyzer,
    document: Document,
    item: Input,
    numbers: Sequence[int],
    store: PageStore,
    report: Callable[[str], None],
) -> None:
    for done, page in enumerate(analyzer.analyze_pages(document, numbers), start=1):
        store.append(page)
        outcome = f"failed: {page.error.message}" if page.error else f"{len(page.regions)} regions"
        report(f"{shown(item.relative)} {done}/{len(numbers)} {page.seconds:.2f} s {outcome}")


def failed_pages(item: Input, errors: Mapping[int, PageError], num_pages: int) -> Failure:
    """An input of which some of its `num_pages` pages failed, each with its error."""
    numbers = ", ".join(map(str, itertools.islice(errors, 10))) + (", ..." if len(errors) > 10 else "")
    first = next(iter(errors.values()))
    message = f"{len(errors)} of {num_pages} pages failed ({numbers}): {first.message}"
    return Failure(item.source, first.code, message)


def failed_file(item: Input, error: OSError) -> Failure:
    """An input whose file, or a file written for it, cannot be had."""
    if isinstance(error, FileNotFoundError) and not item.path.exists():
        return Failure(item.source, "missing", f"{shown(item.source)} does not exist: check the name.")
    name = error.filename2 or error.filename  # of a file put in its place, that place
    place = shown(name if isinstance(name, str) else item.source)
    return Failure(item.source, "io", f"{place}: {error.strerror or error}.")


def _key(relative: Path) -> str:
    return str(_without_suffix(relative)).casefold()


def _candidates(item: Input, common_folder: str) -> list[Path]:
    """Names for an input, the shorter first; `common_folder` holds it and all that share the first."""
    with_folder = real_path(item.path).relative_to(common_folder)
    return [_without_suffix(item.relative), _without_suffix(with_folder), with_folder]


def _without_suffix(path: Path) -> Path:
    """The path without its suffix, unless "." or ".." would be left: those are folders."""
    return path.with_name(path.stem) if path.stem.strip(".") else path
