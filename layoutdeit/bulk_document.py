"""A document on its way through a bulk run: its name in the ledger, where its pages wait, which are to be done."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from layoutdeit.batch import Input, Results
from layoutdeit.ledger import DocumentFailure, DocumentKey, Written
from layoutdeit.page_store import PageStore

MAX_CHUNK_PAGES = 8  # neighbours for one process: opening a document costs less than a page
CHUNKS_PER_WORKER = 4  # at least, where a document has so many pages: the last to finish is not waited for long


@dataclass(frozen=True)
class BulkTask:
    """What is done with every document. pages: ranges as `parse_pages` gives them, None for all."""

    formats: tuple[str, ...]
    pages: tuple[range, ...] | None = None
    password: str | None = None
    retry_failed: bool = False


@dataclass(eq=False)
class BulkDocument:
    """An input, and what is known of it once it was looked at.

    name: what the ledger calls it; numbers: the pages asked for; todo: chunks of those that no process has taken yet;
    num_left: pages not yet recorded; losses: why processes died, by what they were at.
    """

    index: int
    item: Input
    target: Path
    name: str
    key: DocumentKey = DocumentKey("", "", "")
    store_path: Path = Path()
    store: PageStore | None = None
    numbers: list[int] = field(default_factory=list)
    todo: deque[list[int]] = field(default_factory=deque)
    num_left: int = 0
    losses: defaultdict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))

    def identify(self, sha256: str, settings_key: str, stores_dir: Path) -> None:
        """Take its place in the ledger and among the stores; sha256 "" for a file that cannot be read."""
        self.key = DocumentKey(sha256, self.name, settings_key)
        stem = hashlib.sha256(f"{sha256} {self.name}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self.store_path = stores_dir / f"{stem}-{settings_key}.jsonl"

    @property
    def place(self) -> dict[str, str]:
        """Where a process finds it, and that it is the same still."""
        return {"path": str(self.item.path.resolve()), "sha256": self.key.sha256}

    def asked(self, task: BulkTask, out_dir: Path) -> str:
        """What results are asked for, in one line: results for another line do not count."""
        pages = "all" if task.pages is None else ",".join(f"{part.start}-{part.stop - 1}" for part in task.pages)
        return f"{','.join(task.formats)}; pages {pages}; {self.target.relative_to(out_dir)}"

    def is_written(self, outcome: Written | DocumentFailure | None, task: BulkTask, results: Results) -> bool:
        """Whether the results asked for were written before, and are still there. Raises OSError."""
        is_same = isinstance(outcome, Written) and outcome.asked == self.asked(task, results.dir)
        return is_same and results.exist(outcome.files)


def stores_of_other_settings(folder: Path, settings_key: str) -> dict[str, list[Path]]:
    """The stores in a folder that other settings left, by the documents' part of their names."""
    found: dict[str, list[Path]] = {}
    for path in folder.glob("*-*.jsonl"):
        document, _, settings = path.stem.partition("-")
        if settings != settings_key:
            found.setdefault(document, []).append(path)
    return found


def documents_of(inputs: Sequence[Input], targets: Sequence[Path]) -> deque[BulkDocument]:
    """The documents of a run. Those that share a name, as a/x.pdf and b/x.pdf given as files, go by their places."""
    counts = Counter(item.relative for item in inputs)
    names = [str(item.source) if counts[item.relative] > 1 else item.relative.as_posix() for item in inputs]
    return deque(map(BulkDocument, range(len(inputs)), inputs, targets, names))


def chunks(numbers: Sequence[int], num_workers: int, *, num_readers: int = 0) -> Iterator[list[int]]:
    """Pages cut into pieces of neighbours, small enough that all processes have some, and all readers of each."""
    size = min(MAX_CHUNK_PAGES * max(num_readers, 1), -(-len(numbers) // (CHUNKS_PER_WORKER * num_workers)) or 1)
    return (list(numbers[start : start + size]) for start in range(0, len(numbers), size))


def runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as ranges: the first, and one more than the last."""
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            yield numbers[start], numbers[index - 1] + 1
            start = index
