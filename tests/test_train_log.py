import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

from layoutdeit.train_log import Pace, TrainLog


def write_steps(log, steps):
    for step in steps:
        log.add_step(step, {"class": 0.5, "box": 0.25}, learning_rate=1e-3, pages_per_second=2.0)


def test_rows_after_the_resumed_step_are_written_once(tmp_path):
    log = TrainLog(tmp_path, 0, tensorboard=False)
    write_steps(log, range(1, 6))
    for step in (2, 4):
        log.add_metrics(step, {"overall": {"AP": 0.1 * step}})
    with open(tmp_path / "log.csv", "a") as file:
        file.write("6,0.")  # killed while writing
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 6')
    log = TrainLog(tmp_path, 3, tensorboard=False)
    write_steps(log, [4])
    log.add_metrics(4, {"overall": {"AP": 0.5}})
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"] and rows[0]["box"] == "0.25"
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["overall"]["AP"]) for line in lines] == [(2, 0.2), (4, 0.5)]


def test_pictures_are_named_by_step_and_page(tmp_path):
    TrainLog(tmp_path, 0, tensorboard=False).add_picture(20, "sub/a.png", Image.new("RGB", (8, 6), "red"))
    picture = Image.open(tmp_path / "pictures" / "step-000020-a.jpg")
    assert picture.size == (8, 6) and np.asarray(picture)[0, 0, 0] > 200


def test_tensorboard_gets_the_same_numbers(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TrainLog(tmp_path, 0, tensorboard=True)
    write_steps(log, [1, 2])
    log.add_metrics(2, {"overall": {"AP": 0.5}, "table": {"AP": None}})
    log.add_picture(2, "a.png", Image.new("RGB", (8, 6), "red"))
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.75), (2, 0.75)]
    assert events.Scalars("AP/overall")[0].value == 0.5 and "AP/table" not in events.Tags()["scalars"]
    assert events.Tags()["images"] == ["pages/a.png"]


def test_without_the_package_the_run_goes_on_and_says_how_to_install_it(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    caplog.set_level("INFO")
    log = TrainLog(tmp_path, 0, tensorboard=True)
    write_steps(log, [1])
    log.close()
    assert "pip install tensorboard" in caplog.text and (tmp_path / "log.csv").exists()


def test_progress_tells_the_pace_and_the_time_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("layoutdeit.train_log.time.perf_counter", lambda: clock[0])
    pace = Pace(num_steps=110, batch_size=4, step=10)
    clock[0] += 20
    pace.update(20)
    assert pace.pages_per_second == 2 and "0:03:00 left" in pace.line(20, {"class": 1.0}, 1e-3)
    clock[0] += 500  # an evaluation
    pace.restart(20)
    clock[0] += 20
    pace.update(30)
    line = pace.line(30, {"class": 1.0, "box": 0.5}, 1e-3)
    assert pace.pages_per_second == 2 and "0:02:40 left" in line and "step 30/110  loss 1.500" in line
