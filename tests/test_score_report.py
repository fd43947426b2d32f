import csv
import json

import pytest
import torch

from backbone.metrics import Metrics, Tally
from backbone.score_report import Scores, interval_95, scores_in_words, write_per_class, write_scores

NAMES = ("cat", "dog", "newt")


def counted(labels: torch.Tensor) -> Metrics:
    """Of three images, whose first guesses are cat, cat, dog."""
    tally = Tally(3)
    tally.update(torch.tensor([[9.0, 1, 0], [9, 0, 1], [1, 9, 0]]), labels)
    return tally.metrics()


PLAIN = counted(torch.tensor([0, 1, 1]))
SETS = counted(torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0]]).bool())


def test_words_name_totals_real_losses_and_the_lowest_classes():
    lines = scores_in_words(Scores(PLAIN, SETS, num_unreadable=4), NAMES).splitlines()
    assert lines[0].startswith("top-1 66.67 %  top-5 100.00 %") and lines[0].endswith("3 images")
    assert lines[1] == "ReaL: top-1 100.00 %  top-5 100.00 %  2 images"
    assert lines[2] == "left out, unreadable: 4 images"
    assert lines[3] == "lowest classes: dog 50.0 %, cat 100.0 %"
    assert lines[4].startswith("95 % interval of top-1: 20.77 to 93.85 %")
    assert len(scores_in_words(Scores(PLAIN, None, 0), NAMES).splitlines()) == 3


def test_the_interval_ends_where_the_share_would_be_1_96_deviations_away():
    """What defines Wilson's interval: each end, taken for the truth, makes the share found just plausible at 95 %."""
    for share, count in ((0.5123, 10_000), (2 / 3, 3), (0.0, 40)):
        low, high = interval_95(Metrics(share, 1.0, 1.0, count, ()))
        assert low <= share < high
        for end in {low, high} - {0.0}:
            assert abs(share - end) == pytest.approx(1.959964 * (end * (1 - end) / count) ** 0.5, rel=1e-6)
    assert interval_95(Metrics(1.0, 1.0, 0.0, 5, ()))[1] == 1
    assert interval_95(Metrics(float("nan"), float("nan"), float("nan"), 0, ())) == (0, 1)


def test_json_has_null_where_a_number_has_no_meaning(tmp_path):
    write_scores(tmp_path / "new" / "metrics.json", Scores(PLAIN, SETS, 0), {"model": "m"})
    content = json.loads((tmp_path / "new" / "metrics.json").read_text())
    assert content["model"] == "m" and content["overall"]["top1"] == PLAIN.top1
    assert content["overall"]["num_unreadable"] == 0
    assert content["real"] == {"top1": 1.0, "top5": 1.0, "loss": None, "num_images": 2}
    write_scores(tmp_path / "metrics.json", Scores(PLAIN, None, 0), {})
    assert json.loads((tmp_path / "metrics.json").read_text())["real"] is None


def test_a_row_per_class_also_for_those_without_images(tmp_path):
    write_per_class(tmp_path / "report.csv", PLAIN, NAMES)
    with open(tmp_path / "report.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class_name"] for row in rows] == list(NAMES)
    assert rows[1] == {
        "class_index": "1",
        "class_name": "dog",
        "num_images": "2",
        "num_correct": "1",
        "top1": "0.500000",
    }
    assert (rows[2]["num_images"], rows[2]["top1"]) == ("0", "")
