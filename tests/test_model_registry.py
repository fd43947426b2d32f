"""Known models: looked up, pulled from a real server or a folder, converted, checked; and what is said otherwise."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from test_published_detector import dit_pair

from backbone.download import RemoteFile, file_sha256
from layoutdeit import model_registry
from layoutdeit.detector_file import read_model_file
from layoutdeit.model_registry import (
    ASSETS_DIR,
    DEFAULT_MODEL,
    MODELS,
    ModelEntry,
    check_model,
    checked_sha256,
    find_model,
    pull_model,
    resolve_model,
    weights_dir,
)
from layoutdeit.weights import load_model

FILE_NAME = "made_up_mrcnn.pth"
DEAD = f"http://127.0.0.1:9/{FILE_NAME}"  # the discard port: nobody listens


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint in the form of the published DiT detectors."""
    folder = tmp_path_factory.mktemp("published")
    torch.save({"model": dit_pair(cascade=False)[1]}, folder / FILE_NAME)
    return folder


@pytest.fixture(scope="module")
def server(published: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(published))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Keep the tests quiet."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYOUTDEIT_WEIGHTS", raising=False)
    return tmp_path / "cache" / "layoutdeit" / "weights"


def publish(monkeypatch: pytest.MonkeyPatch, *places: str, **stated: object) -> None:
    entry = ModelEntry("a test", "nothing", original=RemoteFile(FILE_NAME, places, note="Ask the authors.", **stated))
    monkeypatch.setitem(MODELS, "made-up", entry)


def test_every_entry_says_where_it_is_from_and_invents_nothing():
    assert DEFAULT_MODEL in MODELS and MODELS[DEFAULT_MODEL].is_shipped and MODELS[DEFAULT_MODEL].sha256
    for name, entry in MODELS.items():
        assert entry.source and entry.training_data, name
        if entry.original is not None:
            assert entry.licence is None and entry.sha256 is None and entry.original.sha256 is None, name
            assert all(place.endswith(f"/{entry.original.file_name}") for place in entry.original.places), name
    assert [name for name in MODELS if name.startswith("dit-")] == [
        "dit-base-publaynet", "dit-large-publaynet", "dit-base-publaynet-cascade", "dit-large-publaynet-cascade"
    ]  # fmt: skip


def test_shipped_model_is_found_without_asking_anyone():
    assert resolve_model(None) == resolve_model(DEFAULT_MODEL) == pull_model(DEFAULT_MODEL)
    assert resolve_model(None).parent == ASSETS_DIR
    assert check_model(DEFAULT_MODEL) == MODELS[DEFAULT_MODEL].sha256


def test_names_and_paths_are_told_apart():
    assert resolve_model("some/where/model.safetensors") == Path("some/where/model.safetensors")
    with pytest.raises(ValueError, match=f"unknown model 'best': use one of {DEFAULT_MODEL}, dit-base-publaynet"):
        resolve_model("best")
    with pytest.raises(ValueError, match="unknown model 'best'"):
        pull_model("best")


def test_model_that_was_not_pulled_says_how_to():
    command = "python -m layoutdeit.weights pull dit-base-publaynet"
    with pytest.raises(FileNotFoundError, match=f"dit-base-publaynet is not on this machine: {command}"):
        load_model("dit-base-publaynet")


def test_pulled_model_is_converted_recorded_and_loads_by_name(
    server: str, published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(monkeypatch, DEAD, f"{server}/absent/{FILE_NAME}", f"{server}/{FILE_NAME}")
    path = pull_model("made-up")
    assert path == cache / "made-up.safetensors" == find_model("made-up")
    record = json.loads((cache / "made-up.safetensors.json").read_text())
    assert record["sha256"] == file_sha256(path) and record["num_bytes"] == path.stat().st_size
    assert record["converted_from"]["sha256"] == file_sha256(published / FILE_NAME)
    assert record["converted_from"]["url"] == f"{server}/{FILE_NAME}"
    loaded = load_model("made-up")
    assert loaded.info.name == "made-up" and loaded.info.sha256 == record["sha256"]
    assert loaded.config.input.mean == (0.5, 0.5, 0.5)
    publish(monkeypatch, DEAD)
    assert pull_model("made-up") == path, "it is here: nobody is asked"


@pytest.mark.parametrize("how", ["mirror", "variable"])
def test_folder_serves_where_there_is_no_network(published: Path, monkeypatch: pytest.MonkeyPatch, how: str):
    publish(monkeypatch, DEAD)
    if how == "variable":
        monkeypatch.setenv("LAYOUTDEIT_WEIGHTS", str(published))
    path = pull_model("made-up", mirrors=[str(published)] if how == "mirror" else [])
    assert path.is_file() and (published / FILE_NAME).is_file()


def test_model_files_of_the_offline_folder_are_used_where_they_lie(
    published: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(monkeypatch, DEAD)
    pull_model("made-up", mirrors=[str(published)])
    offline = tmp_path / "offline"
    offline.mkdir()
    (cache / "made-up.safetensors").rename(offline / "made-up.safetensors")
    assert find_model("made-up") is None
    monkeypatch.setenv("LAYOUTDEIT_WEIGHTS", str(offline))
    assert find_model("made-up") == pull_model("made-up") == offline / "made-up.safetensors"
    assert load_model("made-up").info.name == "made-up"


def test_wrong_bytes_and_no_network_are_sentences_and_leave_nothing(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(monkeypatch, f"{server}/{FILE_NAME}", sha256="0" * 64)
    with pytest.raises(ValueError, match="does not equal 0000.*put the file at .*made_up_mrcnn.pth. Ask the authors"):
        pull_model("made-up")
    publish(monkeypatch, DEAD)
    with pytest.raises(ConnectionError, match="could not fetch made-up from .*refused.*put the file at"):
        pull_model("made-up")
    assert not list(cache.iterdir())


def test_file_put_there_by_hand_is_taken(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    publish(monkeypatch, DEAD)
    cache.mkdir(parents=True)
    (cache / FILE_NAME).write_bytes((published / FILE_NAME).read_bytes())
    assert pull_model("made-up").is_file()


def test_original_that_is_no_detector_leaves_no_model(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    torch.save({"model": {"conv1.weight": torch.zeros(1)}}, tmp_path / FILE_NAME)
    publish(monkeypatch, str(tmp_path))
    with pytest.raises(ValueError, match="no weights of a DeiT"):
        pull_model("made-up")
    assert find_model("made-up") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><html>sign in first</html>", "is a web page"),
        (b"hello", r"cannot be converted \(.*not a whole PyTorch file.* and was removed: name"),
        (b"", r"cannot be converted \(.*not a whole PyTorch file.* and was removed: name"),
    ],
)
def test_wrong_download_goes_again_and_the_right_one_is_taken(
    published: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
):
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / FILE_NAME).write_bytes(content)
    publish(monkeypatch, DEAD)
    with pytest.raises(ValueError, match=f"what came from .*wrong.* {reason}"):
        pull_model("made-up", mirrors=[str(wrong)])
    assert not list(cache.iterdir())
    assert pull_model("made-up", mirrors=[str(published)]) == find_model("made-up")


def test_detector_of_other_weights_goes_again(
    published: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """Names as they should be, but not all of them: whatever the conversion stumbles over is a sentence."""
    whole = torch.load(published / FILE_NAME, weights_only=True)["model"]
    part = {name: tensor for name, tensor in whole.items() if "box_predictor.cls_score" not in name}
    torch.save({"model": part}, tmp_path / FILE_NAME)
    publish(monkeypatch, DEAD)
    with pytest.raises(ValueError, match="cannot be converted .* and was removed"):
        pull_model("made-up", mirrors=[str(tmp_path)])
    assert not list(cache.iterdir())


def test_file_put_there_by_hand_is_never_removed(cache: Path, monkeypatch: pytest.MonkeyPatch):
    publish(monkeypatch, DEAD)
    cache.mkdir(parents=True)
    (cache / FILE_NAME).write_bytes(b"hello")
    with pytest.raises(
        ValueError, match=r"cannot be converted .*: delete it and made_up_mrcnn\.pth\.json, and pull made-up"
    ):
        pull_model("made-up")
    assert (cache / FILE_NAME).read_bytes() == b"hello"


def test_damage_is_found(published: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    publish(monkeypatch, str(published))
    path = pull_model("made-up")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for look in (check_model, load_model, pull_model):
        with pytest.raises(ValueError, match=r"is damaged: its sha256 is .*delete it and made-up.safetensors.json"):
            look("made-up")
    path.write_bytes(whole)
    with (cache / FILE_NAME).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="has changed since it came"):
        check_model("made-up")


def test_damage_of_the_shipped_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(model_registry, "ASSETS_DIR", tmp_path)
    path = tmp_path / f"{DEFAULT_MODEL}.safetensors"
    path.write_bytes((ASSETS_DIR / path.name).read_bytes())
    assert load_model().info.sha256 == MODELS[DEFAULT_MODEL].sha256
    with path.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ValueError, match="is damaged.*install the package again"):
        checked_sha256(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is not on this machine: install the package again"):
        load_model()


def test_cache_is_the_users(cache: Path):
    assert weights_dir() == cache


def test_pulled_files_rebuild_what_was_published(published: Path, monkeypatch: pytest.MonkeyPatch):
    publish(monkeypatch, str(published))
    state = read_model_file(pull_model("made-up"))[2]
    original = torch.load(published / FILE_NAME, weights_only=True)["model"]
    assert torch.equal(
        state["rpn.head.cls_logits.weight"], original["proposal_generator.rpn_head.objectness_logits.weight"]
    )
