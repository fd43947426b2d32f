"""The report: what was measured, on what, and what was not. Never how fast."""

import pytest
import torch
from image_fixtures import write_folders

from backbone.benchmark import machine_in_words, main, speeds_in_words, table
from backbone.model_speed import Speed
from backbone.vit import VitDimensions

DEBUG = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=3)


@pytest.fixture()
def debug_size(monkeypatch):
    """A published name that is a small model."""
    monkeypatch.setattr("backbone.deit.DEIT_SIZES", {"deit_debug": DEBUG})
    return "deit_debug"


def test_a_whole_run_states_machine_speeds_and_loading(debug_size, tmp_path, capsys):
    data = write_folders(tmp_path, num_classes=1, train=2, val=1)
    options = ["--models", debug_size, "--train", "--batch-size", "2", "--seconds", "0", "--workers", "0"]
    assert main([*options, "--data", str(data)]) == 0
    printed = capsys.readouterr().out
    assert f"torch {torch.__version__}" in printed and f"{torch.get_num_threads()} threads" in printed
    assert "precision: fp32, bf16 autocast; batch size 2" in printed
    rows = [line.split("|") for line in printed.splitlines() if line.startswith("| deit_debug")]
    assert [row[4].strip() for row in rows] == ["fp32", "bf16 autocast"] * 2
    assert all(float(row[5]) > 0 and float(row[6]) > 0 for row in rows)
    assert "evaluation transform: " in printed and "training transform: " in printed
    assert printed.count("fastest precision of deit_debug: ") == 2


def test_what_was_not_asked_for_is_not_measured(debug_size, capsys):
    assert main(["--models", debug_size, "--precisions", "fp32", "--batch-size", "1", "--seconds", "0"]) == 0
    printed = capsys.readouterr().out
    assert "training step: not measured (--train)" in printed
    assert "data loading: not measured (--data DIR)" in printed and "bf16" not in printed


def test_missing_numbers_are_words_and_have_a_reason():
    speeds = {("a", "fp32"): Speed(10.0, None, "timm is not installed"), ("a", "bf16"): Speed(None, None, "too large")}
    text = speeds_in_words({"a": DEBUG}, speeds, is_training=False)
    first, second = (line.split("|") for line in text.splitlines()[2:4])
    assert [first[5].strip(), first[6].strip(), second[5].strip()] == ["10.0", "not measured", "not measured"]
    assert "not measured: timm is not installed\nnot measured: too large" in text and "fastest" not in text


def test_training_counts_three_forward_passes():
    speeds = {("a", "fp32"): Speed(1000.0, 500.0)}
    rows = [speeds_in_words({"a": DEBUG}, speeds, is_training=flag).splitlines()[2].split("|") for flag in (0, 1)]
    assert float(rows[1][8]) == pytest.approx(3 * float(rows[0][8]), rel=0.01) and rows[0][7].strip() == "2.00"


def test_table_is_aligned_markdown():
    lines = table(["name", "n"], [["a", "1.0"], ["longer", "22.0"]]).splitlines()
    assert lines == ["| name   |    n |", "|--------|-----:|", "| a      |  1.0 |", "| longer | 22.0 |"]
    assert table(["name", "n"], []).count("\n") == 1


def test_machine_is_named():
    assert machine_in_words(torch.device("cpu")).startswith("machine: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--models", "deit_huge"], "unknown model 'deit_huge'"),
        (["--data", "/nowhere"], "no folder /nowhere"),
        (["--precisions", "fp8"], "unknown precision 'fp8'"),
        (["--batch-size", "0"], "expected 1 or more, got 0"),
        (["--workers", "-1"], "expected 0 or more, got -1"),
    ],
)
def test_usage_errors_are_sentences(capsys, options, said):
    try:
        status = main(options)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2 and said in capsys.readouterr().err


def test_an_unreadable_image_ends_in_one_sentence(debug_size, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"no picture")
    options = ["--models", debug_size, "--precisions", "fp32", "--batch-size", "1", "--seconds", "0"]
    assert main([*options, "--workers", "1", "--data", str(tmp_path)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "a.png cannot be read as an image" in error
