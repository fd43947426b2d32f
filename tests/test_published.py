"""Published weights: the table says what its sources say, files are read without running code, downloads come whole."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.models import deit as timm_deit
from torch import Tensor

from backbone import published
from backbone.checkpoint import load_state_dict_file
from backbone.deit import IMAGENET_MEAN, IMAGENET_STD
from backbone.evaluate import open_model
from backbone.published import PUBLISHED, PublishedWeights, fetch, load_into, load_published, pixel_statistics
from backbone.vit import VisionTransformer, VitDimensions

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def build(**changes: object) -> VisionTransformer:
    """A tiny model of a published width, so that its heads need not be told."""
    torch.manual_seed(0)
    dims = {"image_size_hw": (32, 32), "patch_size": 8, "embed_dim": 192, "depth": 1, "num_heads": 3, "mlp_ratio": 0.25}
    return VisionTransformer(VitDimensions(**{**dims, "num_classes": 5, **changes})).eval()


def assert_same_logits(model: VisionTransformer, other: VisionTransformer) -> None:
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(images), other(images))


def test_addresses_are_those_timm_knows():
    """Written down here from the authors' pages, in timm from the same: they agree on every file."""
    theirs = {config.url for variant in timm_deit.default_cfgs.values() for config in variant.cfgs.values()}
    ours = {weights.url for weights in PUBLISHED.values() if "fbaipublicfiles" in weights.url}
    assert len(ours) == 24 and ours == theirs


def test_hash_is_the_end_of_an_official_name_or_unknown():
    assert PUBLISHED["deit_tiny_patch16_224"].sha256_prefix == "a1311bcf"
    assert PUBLISHED["deit_base_distilled_patch16_384"].sha256_prefix == "d0272ac0"
    unknown = [name for name, weights in PUBLISHED.items() if weights.sha256_prefix is None]
    assert len(unknown) == 20 and all(name.startswith(("deit_3_", "dit_", "rvlcdip_")) for name in unknown)
    assert all(weights.num_bytes is None for weights in PUBLISHED.values())
    mirrored = [name for name, weights in PUBLISHED.items() if weights.mirror]
    assert len(mirrored) == 4 and all("dit" in name and not name.startswith("deit") for name in mirrored)


@pytest.mark.parametrize("distilled", [False, True])
def test_training_form_of_the_official_code_loads_and_its_other_entries_are_reported(tmp_path: Path, distilled: bool):
    original = build(distilled=distilled)
    content = {"model": original.state_dict(), "optimizer": {"state": {}}, "epoch": 3, "scaler": {"scale": 1.0}}
    torch.save({**content, "args": argparse.Namespace(lr=5e-4, model="deit", dist_url=None)}, tmp_path / "w.pth")
    before = set(torch.serialization.get_safe_globals())
    model, report = load_published(tmp_path / "w.pth")
    assert set(torch.serialization.get_safe_globals()) == before, "the Namespace was let through once only"
    assert_same_logits(model, original)
    others = ["optimizer", "epoch", "scaler", "args"]
    assert report.dropped == dict.fromkeys(others, "an entry of the file beside its weights")
    assert len(report.used) == len(original.state_dict())
    with pytest.raises(ValueError, match="objects besides tensors"):
        load_state_dict_file(tmp_path / "w.pth")


@pytest.mark.parametrize("entry", ["model", "state_dict", "module"])
def test_weights_are_found_under_the_entries_in_use(tmp_path: Path, entry: str):
    torch.save({"epoch": 1, entry: build().state_dict()}, tmp_path / "w.pth")
    model, report = load_published(tmp_path / "w.pth")
    assert_same_logits(model, build())
    assert set(report.dropped) == {"epoch"}


class Malice:
    """An object whose loading runs code."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("is_hidden_in_args", [False, True])
def test_file_that_runs_code_is_refused_and_runs_none(tmp_path: Path, is_hidden_in_args: bool):
    malice = Malice(tmp_path / "ran")
    args = argparse.Namespace(output_dir=malice) if is_hidden_in_args else malice
    torch.save({"model": build().state_dict(), "args": args}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="could run code"):
        load_published(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def as_hugging_face_vit(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of a ViTForImageClassification, in which Hugging Face keeps undistilled DeiTs."""
    names = {
        "blocks.0.": "vit.encoder.layer.0.", "attn.proj": "attention.output.dense", "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense", "norm1": "layernorm_before", "norm2": "layernorm_after", "head": "classifier",
        "patch_embed.proj": "vit.embeddings.patch_embeddings.projection", "cls_token": "vit.embeddings.cls_token",
        "pos_embed": "vit.embeddings.position_embeddings",
    }  # fmt: skip
    renamed = {}
    for name, tensor in weights.items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        name = f"vit.layer{name}" if name.startswith("norm.") else name
        parts = tensor.chunk(3) if "attn.qkv" in name else [tensor]
        for part, which in zip(parts, ("query", "key", "value"), strict=False):
            renamed[name.replace("attn.qkv", f"attention.attention.{which}")] = part.clone()
    return renamed


def test_folder_of_hugging_face_tells_heads_and_eps(tmp_path: Path):
    original = build(num_heads=6, norm_eps=1e-3)
    save_file(as_hugging_face_vit(original.state_dict()), tmp_path / "model.safetensors")
    config = {"model_type": "vit", "num_attention_heads": 6, "layer_norm_eps": 1e-3, "image_size": 32}
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    model, report = load_published(tmp_path)
    assert_same_logits(model, original)
    assert model.dimensions == original.dimensions
    assert "format: Hugging Face ViT" in str(report)
    with pytest.raises(ValueError, match="the weights have 6 attention heads, the model has 3"):
        load_into(build(), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    with pytest.raises(ValueError, match="asks for the activation 'relu'"):
        load_published(tmp_path)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"image_mean": [0.5] * 3, "image_std": [0.25] * 3}, ((0.5,) * 3, (0.25,) * 3)),
        ({"do_normalize": False, "image_mean": [0.5] * 3}, ((0.0,) * 3, (1.0,) * 3)),
        ({"size": 224}, None),
    ],
)
def test_what_hugging_face_says_of_pixels_is_what_is_evaluated_with(tmp_path: Path, told, expected):
    save_file(as_hugging_face_vit(build().state_dict()), tmp_path / "model.safetensors")
    assert pixel_statistics(tmp_path) is None  # no word of it
    assert pixel_statistics("deit_tiny_patch16_224") is None  # and nothing is fetched
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    assert pixel_statistics(tmp_path) == expected
    taken = open_model(str(tmp_path)).input
    assert (taken.mean, taken.std) == (expected or (IMAGENET_MEAN, IMAGENET_STD))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5], "image_std": [0, 0, 0]}))
    with pytest.raises(ValueError, match="needs three numbers in image_mean"):
        pixel_statistics(tmp_path)


def test_folder_without_weights_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="expected model.safetensors or pytorch_model.bin"):
        load_published(tmp_path)


def test_page_model_is_filled_and_its_own_grid_tried(tmp_path: Path):
    """A 4x6 grid is no square: the model's own is taken where it fits; a square one is resized."""
    page, square = build(image_size_hw=(32, 48)), build()
    save_file(page.state_dict(), tmp_path / "page.safetensors")
    save_file(square.state_dict(), tmp_path / "square.safetensors")
    assert not load_into(build(image_size_hw=(32, 48)), tmp_path / "page.safetensors").resized
    report = load_into(build(image_size_hw=(32, 48), num_classes=0), tmp_path / "square.safetensors")
    assert report.resized == {"pos_embed": "grid 4x4 to 4x6"}
    assert set(report.dropped) == {"head.weight", "head.bias"}


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT whole, cut short, or not at all, by the folder asked for; counts what it was asked."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "absent" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if "cut" in self.path else CONTENT)

    def log_message(self, *args: object) -> None:
        """Keep the tests quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def publish(monkeypatch: pytest.MonkeyPatch, url: str, **stated: object) -> None:
    monkeypatch.setitem(PUBLISHED, "tiny", PublishedWeights(url, "a test", **stated))


@pytest.mark.parametrize("file_name", [f"w-{SHA256[:8]}.pth", "w.pth"])
def test_download_is_checked_kept_and_recorded(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_name: str
):
    publish(monkeypatch, f"{server}/{file_name}")
    path = fetch("tiny", tmp_path / "cache")
    assert path == tmp_path / "cache" / file_name and path.read_bytes() == CONTENT
    record = json.loads(path.with_name(f"{file_name}.json").read_text())
    assert record == {"name": "tiny", "url": f"{server}/{file_name}", "sha256": SHA256, "num_bytes": len(CONTENT)}
    num_asked = len(Server.asked)
    assert fetch("tiny", tmp_path / "cache") == path
    assert len(Server.asked) == num_asked, "it is there: nothing is asked again"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=r"does not begin with|has changed since it came.*delete it"):
        fetch("tiny", tmp_path / "cache")


def test_default_folder_is_that_of_torch_hub(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    publish(monkeypatch, f"{server}/w.pth")
    assert fetch("tiny") == tmp_path / "checkpoints" / "w.pth"


@pytest.mark.parametrize("stated", [{"url": "w-00000000.pth"}, {"url": "w.pth", "num_bytes": 7}])
def test_other_bytes_than_stated_are_an_error_and_leave_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: dict[str, object]
):
    publish(monkeypatch, f"{server}/{stated.pop('url')}", **stated)
    with pytest.raises(ValueError, match=r"what came from http.*(does not begin with 00000000|expected 7)"):
        fetch("tiny", tmp_path)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("place", "reason"), [("cut/w.pth", "ended after 5120 of 10240 bytes"), ("absent/w.pth", "Not Found")]
)
def test_failed_download_leaves_nothing_and_says_where_to_put_the_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, reason: str
):
    publish(monkeypatch, f"{server}/{place}", note="Ask the authors.")
    with pytest.raises(ConnectionError) as error:
        fetch("tiny", tmp_path)
    assert f"{reason}): where there is a network" in str(error.value)
    assert f"put the file at {tmp_path / 'w.pth'}. Ask the authors." in str(error.value)
    assert not os.listdir(tmp_path)


def test_missing_network_is_a_sentence_and_a_file_put_there_by_hand_is_taken(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(monkeypatch, f"http://127.0.0.1:9/w-{SHA256[:8]}.pth")  # the discard port: nobody listens
    with pytest.raises(ConnectionError, match=f"refused.*put the file at {tmp_path / 'w-'}"):
        fetch("tiny", tmp_path)
    (tmp_path / f"w-{SHA256[:8]}.pth").write_bytes(CONTENT)
    assert fetch("tiny", tmp_path).with_name(f"w-{SHA256[:8]}.pth.json").is_file()
    publish(monkeypatch, "http://127.0.0.1:9/v.pth", mirror=f"{server}/v.pth")
    assert fetch("tiny", tmp_path).read_bytes() == CONTENT, "the mirror is tried next"


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="unknown weights 'deit_giant': use one of deit_tiny_patch16_224"):
        fetch("deit_giant")


def test_name_is_fetched_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_file(build().state_dict(), tmp_path / "w.safetensors")
    monkeypatch.setattr(published, "fetch", lambda name: tmp_path / "w.safetensors")
    assert_same_logits(load_published("deit_tiny_patch16_224")[0], build())
