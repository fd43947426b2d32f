import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from detector_fixtures import debug_config, write_tree

from layoutdeit.coco_eval import evaluate_detections
from layoutdeit.engines import build_detector
from layoutdeit.evaluate import main
from layoutdeit.weights import save_model

ROOT = Path(__file__).parents[1]


@pytest.fixture
def job(tmp_path):
    """A random model that finds something everywhere, and the arguments to evaluate it on ten pages of four sizes."""
    root = write_tree(tmp_path, num_pages=10)
    config = debug_config()
    config.heads.min_score = 0.0
    torch.manual_seed(0)
    save_model(tmp_path / "m.safetensors", build_detector(config).state_dict(), config, {})
    arguments = [str(tmp_path / "m.safetensors"), "--annotations", str(root / "train.json")]
    return root, [*arguments, "--images", str(root / "train"), "--output", str(tmp_path / "out" / "metrics.json")]


def read_metrics(root):
    return json.loads((root / "out" / "metrics.json").read_text())


def test_evaluation_prints_a_row_per_class_and_writes_everything_asked_for(job, capsys):
    root, arguments = job
    files = ["--gallery", str(root / "g" / "worst.html"), "--gallery-pages", "3"]
    assert main([*arguments, "--detections", str(root / "d" / "found.json"), "--bootstrap", "20", *files]) == 0
    printed = capsys.readouterr().out.splitlines()
    content = read_metrics(root)
    names = ["overall", "text", "title", "list", "table", "figure"]
    assert list(content)[:6] == names and [line.split()[0] for line in printed[2:8]] == names
    assert "published AP" in printed[1] and printed[2].endswith("0.932")
    assert set(content["mask"]) == set(content["intervals"]) == set(names)
    assert set(content["postprocessed"]) == {*names, "mask"}
    assert content["pages"] == {"evaluated": 10, "without_picture": 0, "unreadable": 0}
    assert (root / "g" / "worst.html").read_text().count("<section>") == 3
    found = json.loads((root / "d" / "found.json").read_text())
    assert found and {"image_id", "category_id", "bbox", "score", "segmentation"} <= set(found[0])
    assert content["overall"] == evaluate_detections(root / "train.json", found)["overall"].to_dict()
    assert main([*arguments, "--no-masks", "--bootstrap", "0"]) == 0
    assert not {"mask", "intervals", "gain"} & set(read_metrics(root))


def test_detections_of_another_run_are_what_a_gain_is_told_over(job, capsys):
    root, arguments = job
    agree_with_the_model(root, arguments)
    found = json.loads((root / "found.json").read_text())
    (root / "few.json").write_text(json.dumps([entry for number, entry in enumerate(found) if number % 18]))
    quick = [*arguments, "--no-masks", "--bootstrap", "20"]
    for name in ("found", "few"):
        assert main([*quick, "--baseline", str(root / f"{name}.json")]) == 0
        content = read_metrics(root)
        before = evaluate_detections(root / "train.json", json.loads((root / f"{name}.json").read_text()))
        assert content["gain"]["overall"]["AP"] == content["overall"]["AP"] - before["overall"].ap
        assert content["gain"]["overall"]["low"] <= content["gain"]["overall"]["high"]
    assert content["gain"]["overall"]["AP"] > 0 and "paired" in capsys.readouterr().out


def test_missing_and_broken_pictures_are_counted_and_left_out(job, capsys):
    root, arguments = job
    (root / "train" / "page1.png").unlink()
    (root / "train" / "page2.png").write_bytes(b"")
    assert main([*arguments, "--no-masks"]) == 0
    assert read_metrics(root)["pages"] == {"evaluated": 8, "without_picture": 1, "unreadable": 1}
    captured = capsys.readouterr()
    assert "page1.png" in captured.err and "left out:" in captured.err and "on 8 pages" in captured.out


@pytest.mark.heavy
def test_one_two_and_three_processes_give_the_same_numbers(job):
    """Real processes, over gloo, started as a person would; a run alone in batches of one is the reference."""
    root, arguments = job
    agree_with_the_model(root, arguments)
    assert main([*arguments, "--bootstrap", "0"]) == 0
    reference = numbers(read_metrics(root))
    assert sum(value > 0 for value in reference.values() if value is not None) > 10
    for processes in (2, 3):
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
        launcher += ["--master_port", str(free_port()), "-m", "layoutdeit.evaluate", *arguments]
        (root / "out" / "metrics.json").unlink()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*launcher, "--bootstrap", "0", "--batch-size", "2"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        assert f"one of {processes}" in done.stderr  # the pages were shared
        assert numbers(read_metrics(root)) == pytest.approx(reference, abs=1e-6)


def agree_with_the_model(root, arguments):
    """Annotate the pages with some of what the random model finds, shifted a little, so that it scores above zero."""
    assert main([*arguments, "--detections", str(root / "found.json"), "--no-masks", "--bootstrap", "0"]) == 0
    content = json.loads((root / "train.json").read_text())
    content["annotations"] = []
    for number, entry in enumerate(json.loads((root / "found.json").read_text())):
        if number % 9 == 0:
            x, y, w, h = entry["bbox"]
            row = {"id": number + 1, "image_id": entry["image_id"], "category_id": entry["category_id"]}
            row |= {"bbox": [x + 0.1 * w * (number % 4), y, w, h], "area": w * h, "iscrowd": 0}
            content["annotations"].append(row)
    (root / "train.json").write_text(json.dumps(content))


def numbers(content, prefix=""):
    """A nested dictionary as one, its keys joined."""
    found = {}
    for key, value in content.items():
        found |= numbers(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["none.safetensors"], "no model file at none.safetensors"),
        (["nosuch"], "unknown model 'nosuch': use one of deit-tiny-made-pages"),
        (["--annotations", "none.json"], "no annotations at none.json"),
        (["--images", "nowhere"], "no folder nowhere"),
        (["--engine", "foo"], "invalid choice: 'foo' (choose from"),
        (["--precision", "foo"], "invalid choice: 'foo' (choose from"),
        (["--batch-size", "0"], "--batch-size: expected 1 or more, got 0"),
        (["--workers", "-1"], "--workers: expected 0 or more, got -1"),
        (["--devices", "0"], "--devices: expected 1 or more, got 0"),
        (["--output", "NOTE/x.json"], "x.json: "),
        (["--detections", "NOTE/x.json"], "note.txt is no folder"),
        (["--baseline", "NOTE"], "note.txt is no list of COCO results"),
        (["--baseline", "none.json"], "No such file or directory"),
        (["--gallery", "NOTE/deep/x.html"], "note.txt is no folder"),
    ],
)
def test_wrong_usage_is_told_before_the_work_starts(job, capsys, monkeypatch, options, said):
    root, arguments = job
    (root / "note.txt").touch()
    monkeypatch.setattr("layoutdeit.weights.load_model", None)  # calling it would be work
    model, *rest = arguments
    options = [option.replace("NOTE", str(root / "note.txt")) for option in options]
    arguments = [*options, *rest] if not options[0].startswith("-") else [model, *rest, *options]
    try:
        status = main(arguments)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2 and said in capsys.readouterr().err


def test_annotations_without_pages_and_pages_that_cannot_be_read_are_no_score(job, capsys):
    root, arguments = job
    for path in (root / "train").glob("*.png"):
        path.write_bytes(b"no picture")
    assert main([*arguments, "--no-masks"]) == 1
    assert "error: none of the 10 pages can be read; the first: " in capsys.readouterr().err
    content = json.loads((root / "train.json").read_text())
    (root / "train.json").write_text(json.dumps({**content, "images": [], "annotations": []}))
    assert main(arguments) == 1
    assert "train.json names no pages: there is nothing to evaluate on" in capsys.readouterr().err
    assert not (root / "out").exists()


def test_the_shipped_model_beats_chance_on_real_pages(data_dir, tmp_path):
    folder = data_dir / "publaynet_samples"
    arguments = ["--annotations", str(folder / "samples.json"), "--images", str(folder), "--no-masks"]
    assert main([*arguments, "--output", str(tmp_path / "metrics.json")]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["text"]["AP50"] > 0.3
