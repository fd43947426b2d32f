import json

import torch
from detector_fixtures import debug_config, write_tree

from layoutdeit.engines import build_detector
from layoutdeit.evaluate import main
from layoutdeit.weights import save_model


def test_evaluation_prints_a_row_per_class_and_writes_metrics(tmp_path, capsys):
    root = write_tree(tmp_path)
    torch.manual_seed(0)
    save_model(tmp_path / "m.safetensors", build_detector(debug_config()).state_dict(), debug_config(), {})
    arguments = [str(tmp_path / "m.safetensors"), "--annotations", str(root / "train.json")]
    arguments += ["--images", str(root / "train"), "--output", str(tmp_path / "out" / "metrics.json")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert [line.split()[0] for line in printed.splitlines()[2:]] == list(content)[:6]
    assert "mask" in content
    assert main([*arguments, "--no-masks"]) == 0
    assert "mask" not in json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_missing_annotations_are_a_sentence(tmp_path, capsys):
    assert main(["--annotations", str(tmp_path / "none.json"), "--images", str(tmp_path)]) == 1
    assert "no annotations at" in capsys.readouterr().err


def test_the_shipped_model_beats_chance_on_real_pages(data_dir, tmp_path):
    folder = data_dir / "publaynet_samples"
    arguments = ["--annotations", str(folder / "samples.json"), "--images", str(folder), "--no-masks"]
    assert main([*arguments, "--output", str(tmp_path / "metrics.json")]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["text"]["AP50"] > 0.3
