"""Files both ways: ours to detectron2's .pth and back, the published form to ours, a DeiT alone to either."""

from __future__ import annotations

import argparse
import json
import os

import pytest
import torch
from detector_fixtures import blank_page, debug_config
from safetensors.torch import load_file
from test_published_detector import SETTINGS, dit_pair

from backbone.deit import build_deit
from layoutdeit.detector_conversion import OUR_ENTRY, convert_file, settings_as_overrides
from layoutdeit.detector_file import read_model_file, save_model
from layoutdeit.detectron2_keys import DETECTRON2_BODY, to_detectron2
from layoutdeit.engines import build_detector
from layoutdeit.weights import load_model


@pytest.fixture(params=[False, True], ids=["mask", "cascade"])
def ours(request, tmp_path):
    """A model file with settings that no tensor tells."""
    torch.manual_seed(0)
    config = debug_config()
    config.heads.cascade_ious = [0.5, 0.6, 0.7] if request.param else []
    config.backbone.position_resize = "scale_factor"
    path = tmp_path / "ours.safetensors"
    save_model(path, build_detector(config).state_dict(), config, {"pages_seen": 3}, precision="float32")
    return path


def test_there_and_back_loses_nothing(ours, tmp_path):
    convert_file(ours, tmp_path / "theirs.pth")
    convert_file(tmp_path / "theirs.pth", tmp_path / "back.safetensors")
    before, after = read_model_file(ours), read_model_file(tmp_path / "back.safetensors")
    assert before[:2] == after[:2] and before[2].keys() == after[2].keys()
    assert all(torch.equal(after[2][name], tensor) for name, tensor in before[2].items())


def test_detectron2_reads_our_pth_with_its_own_loader(ours, tmp_path):
    pytest.importorskip("detectron2", reason="detectron2 is not installed")
    from detectron2.checkpoint import DetectionCheckpointer

    convert_file(ours, tmp_path / "theirs.pth")
    config, _, state = read_model_file(ours)
    detector = build_detector(config, "detectron2")
    DetectionCheckpointer(detector.model).load(str(tmp_path / "theirs.pth"))
    assert all(torch.equal(detector.state_dict()[name], tensor) for name, tensor in state.items())
    DetectionCheckpointer(detector.model, save_dir=str(tmp_path)).save("trained", iteration=7)
    remarks = convert_file(
        tmp_path / "trained.pth", tmp_path / "trained.safetensors", [*SETTINGS, "backbone.grid_size_px=[128,96]"]
    )
    assert "left out the entry iteration" in remarks
    trained = read_model_file(tmp_path / "trained.safetensors")
    assert trained[0].heads.cascade_ious == config.heads.cascade_ious
    assert all(torch.equal(trained[2][name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("cascade", [False, True])
def test_published_checkpoint_becomes_a_model_with_equal_detections(tmp_path, cascade):
    detector, theirs = dit_pair(cascade=cascade)
    extras = {"optimizer": {"state": {}}, "scheduler": {"last_epoch": 3}, "iteration": 59999}
    torch.save({"model": theirs, **extras}, tmp_path / "publaynet_dit.pth")
    remarks = convert_file(tmp_path / "publaynet_dit.pth", tmp_path / "dit.safetensors", SETTINGS)
    assert "pixel mean and deviation: those of the published DiT detectors" in remarks
    assert "left out the entry optimizer" in remarks
    loaded = load_model(tmp_path / "dit.safetensors")
    assert loaded.record["converted_from"] == "publaynet_dit.pth"
    page = torch.rand(3, 130, 100)
    found, wanted = (model.predict([page])[0] for model in (loaded.detector, detector))
    assert len(wanted.boxes) > 5 and torch.equal(found.labels, wanted.labels)
    torch.testing.assert_close(found.boxes, wanted.boxes, atol=1e-2, rtol=0)
    torch.testing.assert_close(found.scores, wanted.scores, atol=1e-4, rtol=0)


def test_settings_given_are_laid_over_those_beside_the_weights(ours, tmp_path):
    convert_file(ours, tmp_path / "theirs.pth")
    convert_file(tmp_path / "theirs.pth", tmp_path / "b.safetensors", ["heads.nms_iou=0.35"])
    wanted, _, state = read_model_file(ours)
    wanted.heads.nms_iou = 0.35
    config, record, converted = read_model_file(tmp_path / "b.safetensors")
    assert config == wanted and record["overrides"] == ["heads.nms_iou=0.35"]
    assert all(torch.equal(converted[name], tensor) for name, tensor in state.items())
    with pytest.raises(ValueError, match="has its own settings: channels=3 would make it another model"):
        convert_file(ours, tmp_path / "c.pth", ["channels=3"])
    assert not (tmp_path / "c.pth").exists()


def test_spoilt_settings_are_asked_for_and_can_be_given(ours, tmp_path):
    convert_file(ours, tmp_path / "theirs.pth")
    content = torch.load(tmp_path / "theirs.pth", weights_only=True)
    torch.save({**content, OUR_ENTRY: "{"}, tmp_path / "spoilt.pth")
    with pytest.raises(ValueError, match="is spoilt .*: convert with settings given"):
        convert_file(tmp_path / "spoilt.pth", tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="no square grid.*here that is backbone.grid_size_px"):
        convert_file(tmp_path / "spoilt.pth", tmp_path / "c.safetensors", SETTINGS)
    assert not (tmp_path / "c.safetensors").exists()
    convert_file(tmp_path / "spoilt.pth", tmp_path / "c.safetensors", ["backbone.grid_size_px=[128,96]", *SETTINGS])
    assert read_model_file(tmp_path / "c.safetensors")[0].backbone.position_resize == "size"


def test_settings_of_a_model_that_is_like_it_are_taken(ours, tmp_path):
    config, _, state = read_model_file(ours)
    torch.save({"model": to_detectron2(state)}, tmp_path / "model_final.pth")  # as detectron2's trainers write it
    remarks = convert_file(tmp_path / "model_final.pth", tmp_path / "b.safetensors", settings_as_overrides(config))
    assert read_model_file(tmp_path / "b.safetensors")[0] == config
    assert not any(word in remark for remark in remarks for word in ("pixel mean", "positions"))


def test_precision_of_a_model_file_can_be_changed(ours, tmp_path):
    convert_file(ours, tmp_path / "half.safetensors", precision="float16")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * ours.stat().st_size
    assert load_model(tmp_path / "half.safetensors").detector.predict([blank_page()])


def test_weights_too_large_for_half_precision_are_said_to_be_whole(ours, tmp_path):
    config, record, state = read_model_file(ours)
    state["pyramid.bottom_up.pos_embed"].fill_(1e5)
    save_model(tmp_path / "large.safetensors", state, config, record, precision="float32")
    [said] = convert_file(tmp_path / "large.safetensors", tmp_path / "small.safetensors", precision="float16")
    assert said.endswith("weights in float32, no bit lost")


def test_deit_alone_becomes_official_names_or_detectron2s(tmp_path):
    torch.manual_seed(0)
    model = build_deit("deit_tiny_patch16_224", num_classes=7)
    torch.save({"model": model.state_dict(), "args": argparse.Namespace(lr=1)}, tmp_path / "deit.pth")
    convert_file(tmp_path / "deit.pth", tmp_path / "deit.safetensors")
    official = load_file(tmp_path / "deit.safetensors")
    assert all(torch.equal(official[name], tensor) for name, tensor in model.state_dict().items())
    convert_file(tmp_path / "deit.pth", tmp_path / "body.pth")
    body = torch.load(tmp_path / "body.pth", weights_only=True)["model"]
    config = debug_config()
    config.backbone.grid_size_px = (224, 224)
    wanted = {name for name in to_detectron2(build_detector(config).state_dict()) if name.startswith(DETECTRON2_BODY)}
    assert body.keys() == {name for name in wanted if ".fpn" not in name}
    with pytest.raises(ValueError, match="a DeiT alone has no settings of a detector: channels=3"):
        convert_file(tmp_path / "deit.pth", tmp_path / "x.safetensors", ["channels=3"])


class Malice:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_what_cannot_be_read_safely_or_at_all_is_refused_with_a_sentence(ours, tmp_path):
    (tmp_path / "model_final.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=r"is a pickle, which could run code.*torch.save"):
        convert_file(tmp_path / "model_final.pkl", tmp_path / "x.safetensors")
    torch.save({"model": {"a": torch.zeros(1)}, "evil": Malice(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="could run code"):
        convert_file(tmp_path / "evil.pth", tmp_path / "x.safetensors")
    assert not (tmp_path / "ran").exists()
    torch.save({"model": {"conv1.weight": torch.zeros(1)}}, tmp_path / "resnet.pth")
    with pytest.raises(ValueError, match="no weights of a DeiT in a format known here"):
        convert_file(tmp_path / "resnet.pth", tmp_path / "x.safetensors")
    with pytest.raises(FileNotFoundError, match="no weights at"):
        convert_file(tmp_path / "none.pth", tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"\.safetensors is ours, \.pth detectron2's"):
        convert_file(ours, tmp_path / "x.onnx")
    convert_file(ours, tmp_path / "theirs.pth")
    with pytest.raises(ValueError, match="is in detectron2's format already"):
        convert_file(tmp_path / "theirs.pth", tmp_path / "copy.pth")
    content = torch.load(tmp_path / "theirs.pth", weights_only=True)
    torch.save({**content, "layoutdeit": json.dumps([1])}, tmp_path / "spoilt.pth")
    with pytest.raises(ValueError, match="the entry 'layoutdeit' of .* is spoilt"):
        convert_file(tmp_path / "spoilt.pth", tmp_path / "x.safetensors")
    assert not list(tmp_path.glob("x.*")) and not list(tmp_path.glob(".*"))
