"""Measure how the cost of an analysis grows: `python -m layoutdeit.growth [--model NAME|FILE] [--out growth.png]`.

One curve each for the size of pages, the model's input, regions on a page, pages of a document, pages in a batch and
processes of a bulk run; a plot and a JSON file beside it. Pages are set for the purpose. docs/speed.md shows the plot.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from layoutdeit.analyzer import LayoutAnalyzer
    from layoutdeit.weights import LoadedModel

PAPERS = {"A6": 105, "A5": 148, "A4": 210, "A3": 297, "A2": 420, "A1": 594, "A0": 841}  # width in millimetres
INPUTS_PX = (224, 320, 416, 512, 640, 800)  # short sides
REGIONS = (1, 5, 10, 25, 50, 100)
PAGES = (1, 4, 16)
BATCHES = (1, 2, 4, 8)
PROCESSES = (1, 2, 4)
BULK_PAGES = 24  # of the document that a bulk run is given
TYPICAL_REGIONS = 12


@dataclass(frozen=True)
class Curve:
    """One dependency: where it was measured, and median seconds by the clock there."""

    name: str
    x_label: str
    y_label: str
    xs: list[float | str]
    seconds: list[float]

    def line(self) -> str:
        """In words."""
        points = ", ".join(f"{x}: {seconds:.3f}" for x, seconds in zip(self.xs, self.seconds, strict=True))
        return f"{self.name} ({self.y_label} by {self.x_label}): {points}"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, write; 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--model", metavar="NAME|FILE", help="a known model or a model file [the shipped one]")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch [%(default)s]")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="calls per point [%(default)s]")
    parser.add_argument("--out", type=Path, default=Path("growth.png"), metavar="FILE", help="plot [%(default)s]")
    options = parser.parse_args(arguments)

    import torch

    from backbone.benchmark import machine_in_words

    torch.set_num_threads(options.threads)
    machine = machine_in_words(torch.device("cpu"))
    print(machine, flush=True)
    curves: list[Curve] = []
    try:
        for curve in measure(options.model, repeats=options.repeats):
            print(curve.line(), flush=True)
            curves.append(curve)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        report = {"date": date.today().isoformat(), "machine": machine, "curves": [asdict(curve) for curve in curves]}
        options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        plot(curves, options.out, caption=f"{machine.splitlines()[0]}, {report['date']}")
    except (ValueError, OSError, ImportError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measure(model: str | None, *, repeats: int) -> Iterator[Curve]:
    """The curves, one after the other. ValueError, OSError as load_model's; ImportError where typst is missing."""
    from layoutdeit.analyzer import LayoutAnalyzer
    from layoutdeit.weights import load_model

    loaded = load_model(model)
    analyzer = LayoutAnalyzer.from_detector(loaded.detector, loaded.info)
    with tempfile.TemporaryDirectory() as folder:
        pages_dir = Path(folder)
        yield _by_page_size(analyzer, pages_dir, repeats)
        yield _by_input(loaded, pages_dir, repeats)
        yield _by_regions(analyzer, pages_dir, repeats)
        yield _by_pages(analyzer, pages_dir, repeats)
        yield _by_batch(loaded, pages_dir, repeats)
        yield _by_processes(model, pages_dir)


def set_pages(path: Path, *, num_regions: int = TYPICAL_REGIONS, num_pages: int = 1, width_mm: float = 210) -> Path:
    """Write a PDF whose pages have two columns of `num_regions` paragraphs each; larger paper has larger type."""
    try:
        import typst
    except ImportError as error:
        raise ImportError("setting pages needs typst: pip install -e '.[growth]' in the project's folder") from error
    size_pt = width_mm / 210 * (10 if num_regions <= 25 else 5)
    words = max(2, (440 if num_regions <= 25 else 900) // num_regions)
    lines = [
        f"#set page(width: {width_mm}mm, height: {width_mm * 2**0.5:.2f}mm, columns: 2)",
        f'#set text(size: {size_pt:.2f}pt, font: "Libertinus Serif")',
        f"#set page(margin: {width_mm * 0.09:.2f}mm)",
        "#set par(spacing: 1.6em)",
        "\n#pagebreak()\n".join("\n\n".join([f"#lorem({words})"] * num_regions) for _ in range(num_pages)),
    ]
    path.write_bytes(typst.compile("\n".join(lines).encode(), ignore_system_fonts=True))
    return path


def plot(curves: Sequence[Curve], path: Path, *, caption: str) -> None:
    """Draw the curves, one panel each. ImportError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("the plot needs matplotlib: pip install -e '.[growth]' in the project's folder") from error
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    panels = figure.subplots(2, -(-len(curves) // 2), squeeze=False).flat
    for panel, curve in zip(panels, curves, strict=False):
        panel.plot(curve.xs, curve.seconds, "o-", color="#1f4e79")
        panel.set(title=curve.name, xlabel=curve.x_label, ylabel=curve.y_label)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    figure.supxlabel(caption, fontsize="small")
    figure.savefig(path, dpi=90)


def _by_page_size(analyzer: LayoutAnalyzer, folder: Path, repeats: int) -> Curve:
    paths = {name: set_pages(folder / f"{name}.pdf", width_mm=width) for name, width in PAPERS.items()}
    seconds = _medians([_analysis(analyzer, path) for path in paths.values()], repeats)
    return Curve("Page size", "paper", "s per page", list(paths), seconds)


def _by_input(loaded: LoadedModel, folder: Path, repeats: int) -> Curve:
    from layoutdeit.engines import build_detector
    from layoutdeit.engines.precision import prepare_to_predict

    image = _picture(set_pages(folder / "input.pdf"))
    calls = []
    for side in INPUTS_PX:
        settings = replace(loaded.config.input, short_side=side, long_side=side * 5 // 3, more_short_sides=[])
        detector = build_detector(replace(loaded.config, input=settings)).eval()
        detector.load_state_dict(loaded.detector.state_dict())
        prepare_to_predict(detector, loaded.info.precision)
        calls.append(lambda detector=detector: detector.predict([image]))
    return Curve("Model input", "short side, px", "s per page, model alone", list(INPUTS_PX), _medians(calls, repeats))


def _by_regions(analyzer: LayoutAnalyzer, folder: Path, repeats: int) -> Curve:
    paths = [set_pages(folder / f"regions{count}.pdf", num_regions=count) for count in REGIONS]
    seconds = _medians([_analysis(analyzer, path) for path in paths], repeats)
    return Curve("Regions on a page", "paragraphs set", "s per page", list(REGIONS), seconds)


def _by_pages(analyzer: LayoutAnalyzer, folder: Path, repeats: int) -> Curve:
    paths = [set_pages(folder / f"pages{count}.pdf", num_pages=count) for count in PAGES]
    seconds = _medians([_analysis(analyzer, path) for path in paths], max(1, repeats // 2))
    return Curve("Pages of a document", "pages", "s per document", list(PAGES), seconds)


def _by_batch(loaded: LoadedModel, folder: Path, repeats: int) -> Curve:
    image = _picture(set_pages(folder / "batch.pdf"))
    calls = [lambda size=size: loaded.detector.predict([image] * size) for size in BATCHES]
    seconds = [total / size for total, size in zip(_medians(calls, repeats), BATCHES, strict=True)]
    return Curve("Pages in a batch", "pages", "s per page, model alone", list(BATCHES), seconds)


def _by_processes(model: str | None, folder: Path) -> Curve:
    """The median page of the ledger over the number of processes: loading models and writing results are left out."""
    path = set_pages(folder / "bulk.pdf", num_pages=BULK_PAGES)
    seconds = []
    for count in PROCESSES:
        out = folder / f"out{count}"
        command = [sys.executable, "-m", "layoutdeit.analyze", str(path), "-o", str(out), "--formats", "jsonl"]
        command += ["--workers", str(count), *(["--model", model] if model else [])]
        subprocess.run(command, check=True, capture_output=True)
        lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
        done = [line["seconds"] for line in lines if line.get("page") is not None]
        seconds.append(statistics.median(done) / count)
    return Curve("Processes (--workers)", "processes", "s per page, all together", list(PROCESSES), seconds)


def _analysis(analyzer: LayoutAnalyzer, path: Path) -> Callable[[], object]:
    return lambda: analyzer.analyze(path)


def _picture(path: Path) -> Tensor:
    """Of the first page, (3, H, W)."""
    from layoutdeit.page_cost import page_picture
    from layoutdeit.pdf import open_document

    with open_document(path) as document:
        return page_picture(document, 1)


def _medians(calls: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each call, made in turns after one to warm up."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats + 1):
        for call, spent in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn:
                spent.append(time.perf_counter() - start)
    return [statistics.median(spent) for spent in times]


if __name__ == "__main__":
    sys.exit(main())
