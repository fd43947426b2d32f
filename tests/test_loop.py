import pytest
import torch
from detector_fixtures import debug_config, write_tree

from backbone.run_state import RunState, open_fabric
from layoutdeit.config import OptimConfig, TrainConfig
from layoutdeit.engines import build_detector
from layoutdeit.loop import _LossWatch, detect_pages, train_steps
from layoutdeit.publaynet import PageDataset, read_annotations


@pytest.fixture
def run(tmp_path):
    root = write_tree(tmp_path)
    dataset = PageDataset(read_annotations(root / "train.json"), root / "train", None)
    optim = OptimConfig(learning_rate=1e-3, warmup_steps=2)
    config = TrainConfig(output_dir=str(tmp_path), optim=optim, num_steps=10, precision="32-true")
    torch.manual_seed(0)
    detector = build_detector(debug_config())
    fabric = open_fabric(config.precision, config.devices)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=optim.learning_rate)
    return fabric, RunState(*fabric.setup(detector, optimizer), None), config, dataset


def test_steps_report_and_stop_when_told(run):
    fabric, state, config, dataset = run
    reports = []

    def on_step(report):
        reports.append(report)
        return report.step < 3

    before = state.model.state_dict()["rpn.head.cls_logits.weight"].clone()
    train_steps(fabric, state, [[dataset[0], dataset[5]]] * 8, config, on_step=on_step)
    assert [report.step for report in reports] == [1, 2, 3] and state.step == 3
    assert reports[0].learning_rate == pytest.approx(5e-4) and reports[1].learning_rate == pytest.approx(1e-3)
    losses = reports[0].read_losses(fabric)
    assert set(losses) == {"objectness", "proposal_box", "class", "box", "mask"}
    assert all(isinstance(value, float) and value >= 0 for value in losses.values())
    assert not any(value.requires_grad for value in reports[0].losses.values())
    assert not torch.equal(before, state.model.state_dict()["rpn.head.cls_logits.weight"])


def test_a_loss_that_is_not_finite_stops_with_the_page_names(run):
    fabric, state, config, dataset = run
    before = state.model.get_parameter("rpn.head.conv.0.0.weight").clone()
    with torch.no_grad():
        state.model.get_parameter("rpn.head.cls_logits.bias").fill_(float("inf"))
    with pytest.raises(FloatingPointError, match=r"step 1: .*page0.png, page1.png"):
        train_steps(fabric, state, [[dataset[0], dataset[1]]], config, on_step=lambda report: True)
    assert state.step == 0
    assert torch.equal(before, state.model.get_parameter("rpn.head.conv.0.0.weight"))


def test_a_watch_read_late_names_the_first_bad_step_and_its_pages():
    """As on a GPU, which is not waited for at every step."""
    watch = _LossWatch(open_fabric("32-true", 1))
    watch.add(1, {"class": torch.tensor(1.0)}, ["old.png"])
    watch.check()
    assert not watch.recent
    for step, value in enumerate([1.0, float("nan"), float("inf"), 2.0], start=2):
        watch.add(step, {"class": torch.tensor(value), "box": torch.tensor(0.5)}, [f"page{step}.png", "b.png"])
    with pytest.raises(FloatingPointError, match=r"step 3: .*'class': nan, 'box': 0.5.* on page3.png, b.png$"):
        watch.check()


def test_results_carry_image_ids_and_the_dataset_s_frame(run):
    fabric, state, _, dataset = run
    detector = state.plain_model()
    detector.config.heads.min_score = 0.0
    seen = []
    settings = debug_config().input
    found = detect_pages(fabric, detector, dataset, settings, on_batch=lambda *counts: seen.append(counts))
    assert seen[-1] == (6, 6) and found.image_ids == [1, 2, 3, 4, 5, 6] and not found.broken
    assert {row["image_id"] for row in found.entries} <= set(range(1, 7)) and found.entries
    assert all(row["bbox"][0] + row["bbox"][2] <= 100.01 for row in found.entries)


def test_batches_give_what_single_pages_give_and_broken_pictures_are_told(run):
    fabric, state, _, dataset = run
    detector = state.plain_model()
    detector.config.heads.min_score = 0.0
    settings = debug_config().input
    alone = detect_pages(fabric, detector, dataset, settings)
    (dataset.images_dir / "page2.png").write_bytes(b"")
    together = detect_pages(fabric, detector, dataset, settings, batch_size=4)
    assert together.image_ids == [1, 2, 4, 5, 6] and "page2.png cannot be read" in together.broken[0]
    expected = [row for row in alone.entries if row["image_id"] != 3]
    assert len(together.entries) == len(expected)
    for mine, theirs in zip(together.entries, expected, strict=True):
        assert mine["category_id"] == theirs["category_id"]
        assert mine["score"] == pytest.approx(theirs["score"], abs=1e-5)
        assert mine["bbox"] == pytest.approx(theirs["bbox"], abs=1e-2)
