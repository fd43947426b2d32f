import csv
import json

from backbone.loop import StepReport
from backbone.metrics import Metrics
from backbone.run_log import RunLog


def test_rows_after_the_resumed_step_are_written_once(tmp_path):
    run_log = RunLog(tmp_path, 0)
    for step in range(1, 6):
        run_log.add_step(StepReport(step, 0.5, 1e-3, 10.0, 0))
    score = Metrics(0.5, 1.0, 0.7, 4, ())
    for step in (2, 4):
        run_log.add_metrics(step, step // 2, {"weights": score})
    with open(tmp_path / "log.csv", "a") as file:
        file.write("6,0.")  # killed while writing
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 6')
    run_log = RunLog(tmp_path, 3)
    run_log.add_step(StepReport(4, 0.4, 1e-3, 10.0, 2))
    run_log.add_metrics(4, 2, {"weights": score, "average": score})
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"] and rows[-1]["num_unreadable"] == "2"
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4] and lines[1]["average"]["num_images"] == 4


def test_a_new_run_has_no_files_yet(tmp_path):
    RunLog(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
