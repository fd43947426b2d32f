import subprocess
import sys

import pytest
import torch
from detector_fixtures import blank_page, debug_config

from backbone.download import file_sha256
from layoutdeit.engines import build_detector
from layoutdeit.weights import DEFAULT_MODEL, MODELS, load_model, main, read_model_file, resolve_model, save_model


@pytest.fixture
def model_file(tmp_path):
    torch.manual_seed(0)
    detector = build_detector(debug_config())
    save_model(tmp_path / "mine.safetensors", detector.state_dict(), debug_config(), {"pages_seen": 3})
    return tmp_path / "mine.safetensors", detector


def test_a_file_alone_rebuilds_its_model(model_file):
    path, detector = model_file
    loaded = load_model(path)
    assert loaded.config == debug_config() and loaded.record == {"pages_seen": 3}
    assert loaded.info.name == "mine" and loaded.info.engine == "torchvision"
    assert loaded.info.sha256 == file_sha256(path) and len(loaded.info.sha256) == 64
    assert not loaded.detector.training
    for name, value in detector.state_dict().items():
        torch.testing.assert_close(loaded.detector.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    assert loaded.detector.predict([blank_page()])[0].boxes.shape[1] == 4


def test_the_shipped_model_is_whole_small_and_says_how_it_was_made():
    path = resolve_model(None)
    assert path.stat().st_size < 40_000_000
    assert file_sha256(path) == MODELS[DEFAULT_MODEL].sha256
    record = load_model().record
    assert record["pages_seen"] > 1000 and record["corpus"] and record["settings"]["seed"] is not None


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYOUTDEIT_WEIGHTS", raising=False)


def test_list_tells_what_is_known_and_what_is_not(own_cache, capsys):
    assert main(["list"]) == 0
    shipped, *published = capsys.readouterr().out.strip().split("\n\n")
    assert f"file           {resolve_model(None)}" in shipped and MODELS[DEFAULT_MODEL].sha256 in shipped
    assert "licence        Apache-2.0" in shipped and "MB" in shipped
    assert len(published) == 4
    for text in published:
        name = text.splitlines()[0]
        assert f"not here: python -m layoutdeit.weights pull {name}" in text
        assert "licence        unknown" in text and "sha256         unknown" in text and "PubLayNet" in text
        assert text.count("  mirror         https://") == 2


def test_verify_covers_what_is_here_and_fails_for_what_is_not(own_cache, capsys):
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == f"{DEFAULT_MODEL}: sha256 {MODELS[DEFAULT_MODEL].sha256}, as expected\n"
    assert main(["verify", DEFAULT_MODEL, "dit-base-publaynet"]) == 1
    assert "dit-base-publaynet is not on this machine" in capsys.readouterr().out


def test_verify_reads_files_whole(own_cache, model_file, tmp_path, capsys):
    assert main(["verify", str(model_file[0])]) == 0
    assert "no record to compare it with" in capsys.readouterr().out
    (tmp_path / "cut.safetensors").write_bytes(model_file[0].read_bytes()[:-1])
    assert main(["verify", str(tmp_path / "cut.safetensors")]) == 1
    assert "not a whole safetensors file" in capsys.readouterr().out


def test_pull_names_what_it_does_not_know_and_fetches_nothing(own_cache, capsys):
    assert main(["pull", DEFAULT_MODEL, "best"]) == 2
    assert capsys.readouterr().err.startswith(f"error: unknown models: best; known: {DEFAULT_MODEL}, dit-base")
    assert main(["pull", DEFAULT_MODEL]) == 0
    assert capsys.readouterr().out == f"{DEFAULT_MODEL}: {resolve_model(None)}\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["verify", "best"], "unknown model 'best': use one of deit-tiny"),
        (["convert", "best", "OUT.pth"], "unknown model 'best'"),
        (["convert", "none.pth", "OUT.safetensors"], "no model file at none.pth"),
        (["convert", DEFAULT_MODEL, "OUT.txt"], "expected a name in .safetensors or .pth or .pt"),
        (["convert", DEFAULT_MODEL, "OUT.pth", "--like", "best"], "unknown model 'best'"),
        (["convert", DEFAULT_MODEL, "OUT.pth", "heads.min_score"], "expected key=value, got 'heads.min_score'"),
        (["convert", DEFAULT_MODEL, "OUT.pth", "heads.colour=3"], "Key 'colour' not in"),
        (["convert", DEFAULT_MODEL, "OUT.pth", "heads.box_dim=many"], "heads.box_dim: "),
        (["export", "best", "OUT.onnx"], "unknown model 'best'"),
        (["export", "dit-base-publaynet", "OUT.onnx"], "is not on this machine: python -m layoutdeit.weights pull"),
        (["export", DEFAULT_MODEL, "OUT.txt"], "cannot tell the format of "),
        (["export", DEFAULT_MODEL, "OUT"], "expected a name in .onnx"),
    ],
)
def test_wrong_usage_has_status_2_and_a_sentence(own_cache, tmp_path, capsys, options, said):
    assert main([option.replace("OUT", str(tmp_path / "out")) for option in options]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and said in printed.err and not printed.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"hello", b"<html></html>", b"", b"PK\x03\x04"])
def test_a_damaged_file_to_convert_is_a_sentence(tmp_path, capsys, content):
    (tmp_path / "bad.pth").write_bytes(content)
    assert main(["convert", str(tmp_path / "bad.pth"), str(tmp_path / "b.safetensors")]) == 1
    assert "bad.pth is not a whole PyTorch file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]


@pytest.mark.heavy
def test_convert_goes_there_and_back_on_the_command_line(model_file, tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "layoutdeit.weights", "convert", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=240)

    theirs, back = str(tmp_path / "theirs.pth"), str(tmp_path / "back.safetensors")
    assert run(str(model_file[0]), theirs).returncode == 0
    done = run(theirs, back)
    assert done.returncode == 0 and done.stdout.endswith(f"wrote {back}\n"), done.stderr
    assert "weights in float16, no bit lost" in done.stdout
    before, after = read_model_file(model_file[0])[2], read_model_file(back)[2]
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    again = run(theirs, back)
    assert again.returncode == 1 and again.stderr == (
        f"error: {back} is there already: give another name, or --overwrite\n"
    )
    assert run(theirs, back, "--overwrite", "--precision", "float32").returncode == 0
    assert load_model(back).detector.predict([blank_page()])
    assert run(str(tmp_path / "none.pth"), str(tmp_path / "x.safetensors")).returncode == 2
    assert run(theirs).returncode == run(theirs, back, "--overwrite", "--half").returncode == 2
    assert run(theirs, back, "--overwrite", "--like", str(model_file[0]), "heads.min_score=0.25").returncode == 0
    assert read_model_file(back)[0].heads.min_score == 0.25
    assert run(DEFAULT_MODEL, str(tmp_path / "shipped.pth")).returncode == 0
    with pytest.raises(ValueError, match=r"convert .*theirs.pth theirs.safetensors first"):
        load_model(theirs)
