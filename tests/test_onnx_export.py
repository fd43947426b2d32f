import json

import numpy as np
import pytest
import torch
from detector_fixtures import debug_config

from layoutdeit.engines import build_detector
from layoutdeit.onnx_export import PageNetwork, export_onnx
from layoutdeit.weights import main, save_model

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
SIZE = (128, 96)


def noise_detector(min_score: float):
    torch.manual_seed(0)
    config = debug_config()
    config.heads.min_score = min_score
    return build_detector(config).eval()


@pytest.fixture
def open_session(tmp_path):
    def open_it(name: str = "noise.onnx") -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(str(tmp_path / name), providers=["CPUExecutionProvider"])

    return open_it


def test_onnx_finds_what_pytorch_finds(tmp_path, open_session):
    detector = noise_detector(0.0)
    detector.config.fit_to_ink = False
    done = export_onnx(detector, tmp_path / "noise.onnx", SIZE, sha256="ab")
    assert done.size_hw == SIZE and done.box_px < 0.01 and done.score < 1e-5
    page = torch.rand(3, *SIZE)
    boxes, labels, scores = open_session().run(None, {"page": page[None].numpy()})
    ours = detector.predict([page])[0]
    assert len(boxes) > 20 and np.abs(scores - ours.scores.numpy()).max() < 1e-5
    assert (labels == ours.labels.numpy()).all() and np.abs(boxes - ours.boxes.numpy()).max() < 0.01


def test_a_page_on_which_nothing_is_found_gives_empty_answers(tmp_path, open_session):
    export_onnx(noise_detector(0.99), tmp_path / "noise.onnx", SIZE)
    boxes, labels, scores = open_session().run(None, {"page": np.ones((1, 3, *SIZE), np.float32)})
    assert boxes.shape == (0, 4) and labels.shape == scores.shape == (0,)


def test_command_writes_a_file_that_says_its_labels_and_size(tmp_path, open_session, capsys):
    detector = noise_detector(0.05)
    save_model(tmp_path / "noise.safetensors", detector.state_dict(), detector.config, {})
    command = ["export", str(tmp_path / "noise.safetensors"), str(tmp_path / "noise.onnx")]
    assert main(command) == 0
    assert "160 x 96 px" in capsys.readouterr().out  # A4 portrait, multiples of 32
    session = open_session()
    assert session.get_inputs()[0].shape == [1, 3, 160, 96]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"])[:2] == ["text", "title"] and len(metadata["sha256"]) == 64
    assert main(command) == 1 and "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--size", "64", "96"]) == 0
    assert open_session().get_inputs()[0].shape == [1, 3, 64, 96]


def test_an_odd_size_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="multiples of 32"):
        export_onnx(noise_detector(0.05), tmp_path / "noise.onnx", (100, 96))
    assert not list(tmp_path.iterdir())


def test_a_size_that_the_network_cannot_take_is_wrong_usage(tmp_path, capsys):
    detector = noise_detector(0.05)
    save_model(tmp_path / "noise.safetensors", detector.state_dict(), detector.config, {})
    command = ["export", str(tmp_path / "noise.safetensors"), str(tmp_path / "new" / "x.onnx"), "--size"]
    assert main([*command, "100", "96"]) == 2
    assert "multiples of 32" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_pages_with_fewer_places_than_others(tmp_path):
    """32 x 32 px have 258 anchors, of which a page's proposals leave as many as do not overlap: their number varies."""
    detector = noise_detector(0.05)
    detector.config.proposals.candidates = detector.config.proposals.proposals = 300
    export_onnx(detector, path := tmp_path / "noise.onnx", (32, 32))
    session = onnxruntime.InferenceSession(str(path))
    counts = set()
    detector.rpn.register_forward_hook(lambda _, __, result: counts.add(len(result[0][0])))
    for seed in range(8):
        page = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) ** (seed + 1)
        with torch.no_grad():
            expected = PageNetwork(detector).eval()(page)
        for ours, theirs in zip(expected, session.run(None, {"page": page.numpy()}), strict=True):
            torch.testing.assert_close(torch.from_numpy(theirs), ours, atol=1e-3, rtol=1e-4)
    assert len(counts) > 1 and max(counts) < 300


def test_what_onnxruntime_cannot_run_is_a_sentence(tmp_path, monkeypatch):
    def fail(*arguments):
        raise Exception("[ONNXRuntimeError] : 1 : FAIL\nmore")

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", fail)
    with pytest.raises(
        ValueError, match=r"onnxruntime cannot run the exported model: \[ONNXRuntimeError\] : 1 : FAIL$"
    ):
        export_onnx(noise_detector(0.05), tmp_path / "noise.onnx", SIZE)
    assert not list(tmp_path.iterdir())


def test_another_kind_of_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the name of an ONNX file ends in \.onnx"):
        export_onnx(noise_detector(0.05), tmp_path / "noise.txt", SIZE)


def test_a_file_that_answers_otherwise_is_not_left_behind(tmp_path, monkeypatch):
    from layoutdeit import onnx_export

    monkeypatch.setattr(onnx_export, "SCORE_TOLERANCE", -1.0)
    with pytest.raises(ValueError, match="answers are off"):
        export_onnx(noise_detector(0.0), tmp_path / "noise.onnx", SIZE)
    assert not list(tmp_path.iterdir())
