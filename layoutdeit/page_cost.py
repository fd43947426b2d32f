"""What a page costs: seconds and floating-point operations of each stage, and of whatever else does the same.

Measured for benchmark.py. A multiply-add counts as two operations. Only convolutions and matrix products are counted,
as torch counts them: norms, softmax, suppression and pooling cost time and no FLOP, so stages of these have no floor.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from backbone.model_speed import NUM_WARM_UP, median_seconds
from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.compare_engines import compare_detections
from layoutdeit.config import DetectorConfig
from layoutdeit.engines.base import Detections, Detector
from layoutdeit.engines.int8 import Int8Linear, int8_flop, is_exact
from layoutdeit.engines.preprocess import page_input
from layoutdeit.layout import ModelInfo
from layoutdeit.pdf import Document
from layoutdeit.peers import Peer, backbone_peers, engine_peers, rt_detr_peers
from layoutdeit.speed_report import Agreement, Comparison, StageCost
from layoutdeit.stopwatch import STAGES, Stopwatch, listen

try:
    import resource
except ImportError:  # Windows
    resource = None

PEERS = ("all", "engines", "none")
SURE = 0.5  # score of the regions that two answers are compared on: those that people see
MATRIX_SIDE = 1024  # of the product that stands for what the machine can do
MATRIX_FLOP = 2 * MATRIX_SIDE**3
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Page = tuple[Document, int]  # and its number, from 1
Call = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    """The detector that is measured, how it is built, who it is, and its weights in float32."""

    detector: Detector
    config: DetectorConfig
    info: ModelInfo
    state: dict[str, Tensor]


@dataclass(frozen=True)
class StageTimes:
    """Seconds of each stage of one call, by the clock and of this process's processor time."""

    wall: dict[str, float]
    cpu: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """Seconds: of each stage, of a page without overlap, of the model alone; pages/s of documents; FLOP/s; MB."""

    stages: list[StageCost]
    page_seconds: float
    page_cpu_seconds: float
    model_seconds: float
    pages_per_second: float
    rates: dict[str, float]
    memory_mb: float | None
    comparisons: list[Comparison]


def pages_of(documents: Sequence[Document], most: int) -> list[Page]:
    """The first pages of the documents; ValueError where there are none."""
    pages = [(document, number) for document in documents for number in range(1, document.num_pages + 1)]
    if not pages:
        raise ValueError("no pages to measure: expected PDF files or scans")
    return pages[:most]


def page_picture(document: Document, number: int) -> Tensor:
    """A page (from 1) as analysis renders it: (3, H, W), RGB in [0, 1]. Raises PdfError."""
    pixels = np.array(document.render(number - 1).image)
    return torch.from_numpy(pixels).permute(2, 0, 1).float().div_(255)  # (H, W, 3) -> (3, H, W)


def measure(
    subject: Subject,
    pages: Sequence[Page],
    device: torch.device,
    *,
    seconds: float,
    peers: str = "all",
    progress: Callable[[str], None] = lambda line: None,
) -> Measured:
    """Time everything in turns, each for at least `seconds`; `peers` is of PEERS.

    RuntimeError where a page cannot be analysed.
    """
    analyzer = LayoutAnalyzer.from_detector(subject.detector, subject.info)
    detector, precision = subject.detector, subject.info.precision
    image = page_picture(*pages[0]).to(device)
    progress(f"analysing {len(pages)} pages once")
    _analyse_all(analyzer, pages)
    memory_mb = peak_memory_mb()
    flop = flop_by_stage(lambda: detector.predict([image]))

    page_times: list[StageTimes] = []
    mask_times: list[StageTimes] = []
    turns = cycle(pages)
    images = _model_input(subject.config, image)
    products = matrix_products(device)
    calls: dict[str, Call] = {
        "page": _watched(lambda: _analyse_all(analyzer, [next(turns)]), page_times),
        "pages": lambda: _analyse_all(analyzer, pages),
        "model": lambda: detector.predict([image]),
        "backbone": lambda: _backbone(detector, images),
        **{f"{name} product": call for name, call in products.items()},
    }
    if subject.config.heads.mask_layers:
        flop["mask head"] = flop_by_stage(lambda: detector.predict([image], masks=True)).get("mask head", 0)
        calls["masks"] = _watched(lambda: detector.predict([image], masks=True), mask_times)
    beside: list[Peer] = []
    if peers != "none":
        progress("loading what is compared")
        beside = engine_peers(subject.config, subject.state, image, precision=precision)
    if peers == "all":
        beside += [*backbone_peers(detector, images), *rt_detr_peers(device)]
    calls |= {peer.name: peer.call for peer in beside if peer.call is not None}
    progress(f"measuring {len(calls)} things in turns")
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    calls = {name: _on_processor(call, cpu[name]) for name, call in calls.items()}
    times = median_seconds(calls, seconds, device)
    cpu_times = {name: statistics.median(spent[NUM_WARM_UP:]) for name, spent in cpu.items()}

    rates = {name: MATRIX_FLOP / times[f"{name} product"] for name in products}
    return Measured(
        stages=[
            *stage_costs(page_times[NUM_WARM_UP:], flop, rates[precision]),
            *_named(stage_costs(mask_times[NUM_WARM_UP:], flop, rates[precision])),
        ],
        page_seconds=times["page"],
        page_cpu_seconds=cpu_times["page"],
        model_seconds=times["model"],
        pages_per_second=len(pages) / times["pages"],
        rates=rates,
        memory_mb=memory_mb,
        comparisons=[_compared(peer, times, cpu_times, detector, image) for peer in beside],
    )


def stage_costs(calls: Sequence[StageTimes], flop: Mapping[str, int], rate: float) -> list[StageCost]:
    """Medians over calls, by stage in the order of a page; rate: FLOP/s of the machine."""
    names = [name for name in STAGES if any(name in call.wall for call in calls)]
    return [
        StageCost(
            name,
            statistics.median(call.wall.get(name, 0.0) for call in calls),
            statistics.median(call.cpu.get(name, 0.0) for call in calls),
            flop.get(name, 0),
            flop.get(name, 0) / rate,
        )
        for name in names
    ]


def flop_by_stage(call: Call) -> dict[str, int]:
    """The FLOP of one call by stage."""
    others = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _fused_attention_flop, **int8_flop()}
    with (
        FlopCounterMode(display=False, custom_mapping=others) as counter,
        listen(Stopwatch(counter.get_total_flops)) as w,
    ):
        call()
    return {name: int(amount) for name, amount in w.amounts.items()}


def _fused_attention_flop(query: tuple, key: tuple, value: tuple, *others: object, **options: object) -> int:
    return sdpa_flop_count(query, key, value)  # shapes; torch itself counts only the kernels of a GPU


def matrix_products(device: torch.device) -> dict[str, Call]:
    """By precision, a square product to be timed, of MATRIX_FLOP operations."""
    matrices = {name: torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device).to(dtype) for name, dtype in DTYPES.items()}
    products: dict[str, Call] = {name: partial(torch.mm, matrix, matrix) for name, matrix in matrices.items()}
    if device.type == "cpu" and is_exact():
        layer = Int8Linear(nn.Linear(MATRIX_SIDE, MATRIX_SIDE, bias=False))
        products["int8"] = partial(layer, matrices["fp32"])  # what it multiplies is rounded first
    return products


def agreement(ours: Detections, theirs: Detections, *, min_score: float = SURE) -> Agreement:
    """How far another answer for the same picture is from ours."""
    ours, theirs = ours.cpu(), theirs.cpu()
    pairs = [(row, column) for row, column in compare_detections(ours, theirs) if ours.scores[row] >= min_score]
    boxes = [float((ours.boxes[row] - theirs.boxes[column]).abs().max()) for row, column in pairs]
    scores = [abs(float(ours.scores[row] - theirs.scores[column])) for row, column in pairs]
    num_sure = int((ours.scores >= min_score).sum())
    return Agreement(num_sure, len(pairs), max(boxes, default=0.0), max(scores, default=0.0))


def peak_memory_mb() -> float | None:
    """The most memory this process has held; the process that parses documents is another. None: not told."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _analyse_all(analyzer: LayoutAnalyzer, pages: Sequence[Page]) -> None:
    """Documents one after the other, all their chosen pages in one go."""
    numbers: dict[Document, list[int]] = {}
    for document, number in pages:
        numbers.setdefault(document, []).append(number)
    for document, chosen in numbers.items():
        for page in analyzer.analyze_pages(document, chosen):
            if page.error is not None:
                raise RuntimeError(f"page {page.number} of {document.name} cannot be measured: {page.error.message}")


def _watched(call: Call, times: list[StageTimes]) -> Call:
    """The same call, which also writes down how long its stages took."""

    def measured() -> None:
        with listen(Stopwatch()) as wall, listen(Stopwatch(time.process_time)) as cpu:
            call()
        times.append(StageTimes(wall.amounts, cpu.amounts))

    return measured


def _on_processor(call: Call, spent: list[float]) -> Call:
    """The same call, which also writes down its processor time: what other programs of a busy machine do not change."""

    def measured() -> None:
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)

    return measured


def _named(costs: Sequence[StageCost]) -> list[StageCost]:
    """The stage that only a call with masks has, told apart from those of every page."""
    return [replace(cost, name="mask head, where asked for") for cost in costs if cost.name == "mask head"]


def _model_input(config: DetectorConfig, image: Tensor) -> Tensor:
    """The page as the backbone sees it, (1, 3, H, W)."""
    return page_input([image], config.input).images


@torch.inference_mode()
def _backbone(detector: Detector, images: Tensor) -> None:
    with detector.arithmetic():
        detector.backbone.forward_features(images)


def _compared(
    peer: Peer, times: Mapping[str, float], cpu_times: Mapping[str, float], detector: Detector, image: Tensor
) -> Comparison:
    ours = {"our_seconds": times[peer.against], "our_cpu_seconds": cpu_times[peer.against]}
    if peer.call is None:
        return Comparison(peer.name, peer.against, None, None, **ours, reason=peer.reason)
    found = None if peer.answer is None else agreement(detector.predict([image])[0], peer.answer())
    return Comparison(peer.name, peer.against, times[peer.name], cpu_times[peer.name], **ours, agreement=found)
