"""What a run of benchmark.py found: plain numbers, as a table in words and as JSON. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from backbone.benchmark import NOT_MEASURED, table
from layoutdeit.stopwatch import STAGES


@dataclass(frozen=True)
class StageCost:
    """Median seconds of a stage, by the clock and of processor time in this process; its FLOP; the time for so many.

    floor_seconds is what the machine needs for the FLOP at its measured rate.
    """

    name: str
    seconds: float
    cpu_seconds: float
    flop: int
    floor_seconds: float

    @property
    def utilisation(self) -> float | None:
        """Share of the machine's rate that the stage reaches; None where nothing was counted."""
        return self.floor_seconds / self.seconds if self.flop and self.seconds else None


@dataclass(frozen=True)
class Agreement:
    """How another answer differs from ours on the regions that ours is sure of; pixels of the picture."""

    regions: int
    found: int  # of them: of the other's, one of that class overlaps by more than half
    box_px: float  # largest difference of these
    score: float


@dataclass(frozen=True)
class Comparison:
    """Median seconds of something else, beside those of our part that does the same; None and a reason if not run.

    cpu_seconds are of processor time, all threads.
    """

    name: str
    against: str
    seconds: float | None
    cpu_seconds: float | None
    our_seconds: float
    our_cpu_seconds: float
    reason: str = ""
    agreement: Agreement | None = None


@dataclass(frozen=True)
class Report:
    """A whole run. Rates are FLOP/s of a square matrix product; stages are of a page without masks."""

    machine: list[str]
    command: str
    date: str
    model: str
    precision: str
    num_pages: int
    rates: dict[str, float]
    stages: list[StageCost]
    page_cpu_seconds: float  # processor time of it, all threads; the process that parses documents not included
    page_seconds: float  # one page, its stages one after the other, what lies between them included
    pages_per_second: float  # of whole documents, the next page being rendered meanwhile
    model_seconds: float  # predict alone
    memory_mb: float | None
    comparisons: list[Comparison] = field(default_factory=list)
    not_measured: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        shares = [{**asdict(stage), "utilisation": stage.utilisation} for stage in self.stages]
        return {**asdict(self), "stages": shares}


def in_words(report: Report) -> str:
    """The report for people: two tables in Markdown and what was not measured."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.date}, {report.command}"
    yield f"model: {report.model}, {report.precision}; medians over {report.num_pages} pages"
    rates = ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in report.rates.items())
    yield f"this machine multiplies matrices at {rates} (measured between the other calls)"
    yield ""
    rows = [
        [
            stage.name,
            f"{stage.seconds * 1e3:.1f}",
            f"{stage.cpu_seconds * 1e3:.1f}",
            f"{stage.flop / 1e9:.2f}" if stage.flop else "-",
            f"{stage.floor_seconds * 1e3:.1f}" if stage.flop else "-",
            "-" if stage.utilisation is None else f"{stage.utilisation:.0%}",
        ]
        for stage in report.stages
    ]
    of_page = [stage for stage in report.stages if stage.name in STAGES]
    flop, floor = sum(stage.flop for stage in of_page), sum(stage.floor_seconds for stage in of_page)
    share = f"{floor / report.page_seconds:.0%}"
    seconds = [f"{value * 1e3:.1f}" for value in (report.page_seconds, report.page_cpu_seconds)]
    rows.append(["the whole page", *seconds, f"{flop / 1e9:.2f}", f"{floor * 1e3:.1f}", share])
    yield table(["stage", "ms", "of processor*", "GFLOP**", "floor ms***", "utilisation"], rows)
    yield (
        "* ms of this process; documents are parsed in another  ** convolutions and matrix products, two for a "
        "multiply-add  *** at the measured rate"
    )
    yield f"from PDF to regions, rendering the next page meanwhile: {report.pages_per_second:.2f} pages/s"
    memory = NOT_MEASURED if report.memory_mb is None else f"{report.memory_mb:.0f} MB"
    yield f"most memory of this process, before anything else was loaded: {memory}"
    if report.comparisons:
        yield ""
        head = ["beside", "ms", "ours does", "in ms", "ratio", "of processor time", "same regions"]
        yield table(head, [*map(_row, report.comparisons)])
    reasons = [f"{entry.name}: {entry.reason}" for entry in report.comparisons if entry.seconds is None]
    for line in [*report.not_measured, *reasons]:
        yield f"{NOT_MEASURED}: {line}"


def _row(entry: Comparison) -> list[str]:
    ours = f"{entry.our_seconds * 1e3:.0f}"
    if entry.seconds is None:
        return [entry.name, NOT_MEASURED, entry.against, ours, "-", "-", "-"]
    same = "-"
    if (found := entry.agreement) is not None:
        same = f"{found.found} of {found.regions}, {found.box_px:.2f} px, score {found.score:.3f}"
    ratio = f"{entry.seconds / entry.our_seconds:.2f}"
    of_processor = f"{entry.cpu_seconds / entry.our_cpu_seconds:.2f}" if entry.our_cpu_seconds else "-"
    return [entry.name, f"{entry.seconds * 1e3:.0f}", entry.against, ours, ratio, of_processor, same]
