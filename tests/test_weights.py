"""`python -m layoutdeit.weights` as a user types it; what is fetched comes from a real server on this machine."""

from __future__ import annotations

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from backbone.download import FOLDER_VARIABLE, PublishedWeights
from layoutdeit import known_models
from layoutdeit.config import DetectorConfig
from layoutdeit.detector_file import load_model, resolve_model
from layoutdeit.detectron2_keys import to_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.known_models import DEFAULT_MODEL, MODELS, KnownModel, model_path
from layoutdeit.weights import main


class Quiet(SimpleHTTPRequestHandler):
    """A file server that keeps the tests quiet."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small detectron2 checkpoint at an address, known as "small"; files go to a folder of the test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "www").mkdir()
    torch.manual_seed(0)
    config = DetectorConfig(channels=16)
    config.backbone.name = "deit_tiny_patch16_224"
    config.heads.box_dim, config.heads.mask_layers = 16, 0
    torch.save({"model": to_detectron2(build_detector(config).state_dict())}, tmp_path / "www" / "small.pth")
    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{http.server_address[1]}/small.pth"
        monkeypatch.setitem(MODELS, "small", KnownModel("noise", published=PublishedWeights(url, "a test")))
        yield tmp_path
        http.shutdown()


def test_list_tells_what_is_known_and_what_is_not(published, capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert f"{DEFAULT_MODEL} (the default)\n  here:          {model_path(DEFAULT_MODEL)}" in text
    assert MODELS[DEFAULT_MODEL].sha256 in text and "Apache-2.0" in text
    small = text[text.index("\nsmall") :]
    assert "here:          no: python -m layoutdeit.weights pull small" in small
    assert "size:          unknown" in small and "sha256:        unknown" in small and "licence:       unknown" in small


def test_pull_fetches_converts_and_makes_the_name_usable(published, capsys):
    with pytest.raises(ValueError, match="small is not here yet: python -m layoutdeit.weights pull small"):
        load_model("small")
    assert main(["pull", "small", DEFAULT_MODEL]) == 0
    assert "comes with the package" in capsys.readouterr().out
    assert resolve_model("small") == published / "cache" / "small.safetensors"
    assert load_model("small").config.channels == 16
    assert main(["pull", "small"]) == 0  # nothing is fetched twice
    assert main(["verify"]) == 0
    assert "small: whole" in capsys.readouterr().out
    assert main(["list"]) == 0
    small = capsys.readouterr().out.partition("\nsmall\n")[2]
    assert "sha256:        unknown" not in small and "size:          unknown" not in small


def test_a_mirror_helps_where_the_address_is_dead(published, monkeypatch, capsys):
    dead = KnownModel("noise", published=PublishedWeights("http://127.0.0.1:9/small.pth", "a test"))
    monkeypatch.setitem(MODELS, "small", dead)
    assert main(["pull", "small"]) == 1
    assert "refused" in (text := capsys.readouterr().err) and f"put the file at {published}/cache/small.pth" in text
    assert main(["pull", "small", "--mirror", str(published / "nowhere"), "--mirror", str(published / "www")]) == 0
    assert model_path("small").is_file()


def test_verify_finds_what_has_changed(published, capsys, monkeypatch):
    assert main(["pull", "small"]) == 0
    with open(published / "cache" / "small.pth", "ab") as file:
        file.write(b"more")
    assert main(["verify", "small", DEFAULT_MODEL]) == 1
    said = capsys.readouterr()
    assert "small.pth has changed since it came" in said.err and f"{DEFAULT_MODEL}: whole" in said.out
    model_path("small").write_bytes(b"broken")
    assert main(["verify", str(model_path("small"))]) == 1
    assert "not a whole safetensors file" in capsys.readouterr().err


def test_wrong_names_and_files_end_with_a_sentence(published, capsys):
    assert main(["pull", "best"]) == 1
    assert "unknown model 'best': use one of" in capsys.readouterr().err
    assert main(["convert", str(published / "none.pth"), str(published / "out.safetensors")]) == 1
    assert "no weights at" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


def test_convert_goes_both_ways(published, capsys):
    assert main(["convert", DEFAULT_MODEL, str(published / "shipped.pth")]) == 0
    assert main(["convert", str(published / "shipped.pth"), str(published / "shipped.safetensors")]) == 0
    assert "half precision" in capsys.readouterr().out
    ours, back = load_model().detector.state_dict(), load_model(published / "shipped.safetensors").detector.state_dict()
    assert all(torch.equal(back[name], tensor) for name, tensor in ours.items())


def test_every_published_model_names_its_source():
    for name, known in known_models.MODELS.items():
        if known.published is not None:
            assert known.published.url.startswith("https://") and known.published.source.startswith("https://")
            assert known.sha256 is None, f"{name}: its source states no hash"
