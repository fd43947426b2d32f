import pytest
import torch
from detector_fixtures import debug_config, write_tree

from backbone.run_state import RunState, open_fabric
from layoutdeit.config import OptimConfig, TrainConfig
from layoutdeit.engines import build_detector
from layoutdeit.loop import collect_results, train_steps
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
    assert set(reports[0].losses) == {"objectness", "proposal_box", "class", "box", "mask"}
    assert not torch.equal(before, state.model.state_dict()["rpn.head.cls_logits.weight"])


def test_a_loss_that_is_not_finite_stops_with_the_page_names(run):
    fabric, state, config, dataset = run
    with torch.no_grad():
        state.model.get_parameter("rpn.head.cls_logits.bias").fill_(float("inf"))
    with pytest.raises(FloatingPointError, match=r"step 1: .*page0.png, page1.png"):
        train_steps(fabric, state, [[dataset[0], dataset[1]]], config, on_step=lambda report: True)
    assert state.step == 0


def test_results_carry_image_ids_and_the_dataset_s_frame(run):
    _, state, _, dataset = run
    detector = state.plain_model()
    detector.heads.score_thresh = 0.0
    seen = []
    results = collect_results(detector, dataset, on_page=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)
    assert {row["image_id"] for row in results} <= set(range(1, 7)) and results
    assert all(row["bbox"][0] + row["bbox"][2] <= 100.01 for row in results)
