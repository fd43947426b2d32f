"""The real command, small: what it says and writes, and what it refuses. Never how fast."""

import json

import pytest
import torch
from detector_fixtures import INT8, debug_config

from layoutdeit.benchmark import main
from layoutdeit.engines import build_detector
from layoutdeit.engines.int8 import is_exact
from layoutdeit.stopwatch import STAGES
from layoutdeit.weights import save_model


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    config = debug_config()
    save_model(tmp_path / "noise.safetensors", build_detector(config).state_dict(), config, {})
    return str(tmp_path / "noise.safetensors")


@pytest.fixture(autouse=True)
def threads():
    """The command sets torch's threads for its whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["fp32", "bf16", INT8])
def test_a_run_tells_every_stage_in_words_and_in_json(model, precision, tmp_path, capsys):
    out = tmp_path / "deep" / "speed.json"
    options = ["--model", model, "--precision", precision, "--threads", "1", "--num-pages", "2", "--seconds", "0"]
    assert main([*options, "--peers", "none", "--out", str(out)]) == 0
    printed, written = capsys.readouterr().out, json.loads(out.read_text())
    assert f"model: noise, {precision}; medians over 2 pages" in printed and "1 threads" in printed
    assert "not measured: all else that is installed (--peers none)" in printed
    assert [stage["name"] for stage in written["stages"]] == [
        *[name for name in STAGES if name != "mask head"],
        "mask head, where asked for",
    ]
    rows = {line.split("|")[1].strip(): line.split("|") for line in printed.splitlines() if line.startswith("|")}
    for stage in written["stages"]:
        assert float(rows[stage["name"]][2]) == pytest.approx(stage["seconds"] * 1e3, abs=0.051)
        assert (stage["flop"] > 0) == (stage["utilisation"] is not None)
    counted = {stage["name"] for stage in written["stages"] if stage["flop"]}
    assert counted == {"backbone", "pyramid", "proposals", "box head", "mask head, where asked for"}
    assert written["pages_per_second"] > 0 and set(written["rates"]) == {"fp32", "bf16", *["int8"][: is_exact()]}
    assert written["page_seconds"] >= written["model_seconds"] * 0.1 and written["comparisons"] == []


@pytest.mark.heavy
def test_peers_that_are_here_are_timed_and_the_others_named(model, capsys):
    assert main(["--model", model, "--threads", "1", "--num-pages", "1", "--seconds", "0", "--precision", "bf16"]) == 0
    printed = capsys.readouterr().out
    for name in (
        "ours in fp32",
        "detectron2 engine, fp32",
        "timm backbone, fp32",
        "RT-DETRv2-R50 forward at 640 px, fp32",
    ):
        row = next(line.split("|") for line in printed.splitlines() if line.startswith(f"| {name} "))
        if row[2].strip() == "not measured":
            assert f"not measured: {name}: " in printed
        else:
            assert float(row[2]) > 0 and float(row[5]) > 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--model", "nosuch"], "unknown model 'nosuch'"),
        (["--pages", "nowhere"], "nowhere"),
        (["--published-size", "--model", "x"], "leave out --model"),
        (["--device", "abacus"], "abacus"),
        (["--device", "cuda:77"], "cuda:77"),
        (["--out", "/dev/null/x.json"], "/dev/null is no folder"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence_and_wrong_usage(options, reason, capsys):
    assert main(["--seconds", "0", *options]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and reason in error


def test_a_damaged_model_is_a_failure(tmp_path, capsys):
    (tmp_path / "m.safetensors").write_bytes(b"hello")
    assert main(["--model", str(tmp_path / "m.safetensors")]) == 1
    assert "is not a whole safetensors file" in capsys.readouterr().err


def test_an_empty_folder_has_no_pages(model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["--model", model, "--pages", str(tmp_path / "empty")]) == 1
    assert "no pages to measure" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--threads", "0"], ["--peers", "some"], ["--num-pages", "-1"]])
def test_wrong_usage_exits_with_2(options):
    with pytest.raises(SystemExit) as stopped:
        main(options)
    assert stopped.value.code == 2
