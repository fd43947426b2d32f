from dataclasses import replace

import pytest
import torch
from detector_fixtures import blank_page, debug_config

from backbone.model_cost import multiply_adds
from layoutdeit.engines import build_detector
from layoutdeit.engines.base import Detections
from layoutdeit.engines.int8 import is_exact
from layoutdeit.engines.precision import prepare_to_predict
from layoutdeit.page_cost import StageTimes, agreement, flop_by_stage, matrix_products, pages_of, stage_costs
from layoutdeit.stopwatch import stage


def found(*entries: tuple[list[float], int, float]) -> Detections:
    boxes, labels, scores = zip(*entries, strict=True) if entries else ([], [], [])
    return Detections(torch.tensor(boxes).reshape(-1, 4), torch.tensor(labels), torch.tensor(scores))


def test_flop_are_those_of_the_products_in_a_stage():
    a, b = torch.randn(3, 5), torch.randn(5, 7)
    image, kernel = torch.randn(1, 2, 9, 9), torch.randn(4, 2, 3, 3)

    def call() -> None:
        with stage("proposals"):
            a @ b
        with stage("pyramid"):
            torch.nn.functional.conv2d(image, kernel, padding=1)
        with stage("fit to ink"):
            a + 1

    assert flop_by_stage(call) == {"proposals": 2 * 3 * 5 * 7, "pyramid": 2 * 81 * 4 * 2 * 9, "fit to ink": 0}


def test_flop_do_not_depend_on_the_arithmetic():
    """fp32 runs a fused attention kernel, bf16 two products."""
    torch.manual_seed(0)
    counts = []
    for precision in ("fp32", "bf16", "int8") if is_exact() else ("fp32", "bf16"):
        detector = build_detector(debug_config()).eval()
        prepare_to_predict(detector, precision)
        counts.append(flop_by_stage(lambda detector=detector: detector.predict([blank_page()])))
    assert len({count["backbone"] for count in counts}) == len({count["pyramid"] for count in counts}) == 1
    dims = replace(detector.backbone.dimensions, image_size_hw=(128, 96))  # 130 x 100 px becomes 125 x 96, then padded
    assert counts[0]["backbone"] == 2 * multiply_adds(dims)


def test_stages_are_medians_in_the_order_of_a_page():
    calls = [StageTimes({"pyramid": s, "render": 1.0}, {"pyramid": s / 2}) for s in (3.0, 1.0, 2.0)]
    render, pyramid = stage_costs(calls, {"pyramid": 10}, rate=5.0)
    assert (render.name, render.seconds, render.flop, render.utilisation) == ("render", 1.0, 0, None)
    assert (pyramid.seconds, pyramid.cpu_seconds, pyramid.floor_seconds, pyramid.utilisation) == (2.0, 1.0, 2.0, 1.0)
    assert stage_costs([], {}, rate=1.0) == []


def test_products_are_square_and_of_their_kind():
    products = matrix_products(torch.device("cpu"))
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.float32}  # what comes out
    assert {name: call().dtype for name, call in products.items()} == {name: kinds[name] for name in products}
    assert ("int8" in products) == is_exact() and {call().shape for call in products.values()} == {(1024, 1024)}


def test_agreement_counts_the_regions_that_ours_is_sure_of():
    ours = found(([0, 0, 10, 10], 1, 0.9), ([50, 50, 60, 60], 2, 0.8), ([70, 70, 80, 80], 1, 0.4))
    theirs = found(([0, 0, 10, 9], 1, 0.7), ([50, 50, 60, 60], 3, 0.8), ([70, 70, 80, 75], 1, 0.4))
    result = agreement(ours, theirs)
    assert (result.regions, result.found) == (2, 1)
    assert result.box_px == 1 and result.score == pytest.approx(0.2)
    empty = agreement(found(), found())
    assert (empty.regions, empty.found, empty.box_px, empty.score) == (0, 0, 0, 0)


def test_no_documents_have_no_pages():
    with pytest.raises(ValueError, match="no pages to measure"):
        pages_of([], 3)
