import pytest
import torch
from detector_fixtures import blank_page, debug_config

from backbone.vit import Attention
from layoutdeit import peers
from layoutdeit.engines import available_engines, build_detector
from layoutdeit.engines.precision import prepare_to_predict
from layoutdeit.peers import ExplicitAttention, backbone_peers, engine_peers


def test_explicit_attention_is_the_same_attention():
    torch.manual_seed(0)
    attention = Attention(64, 2).eval()
    tokens = torch.randn(2, 37, 64)
    assert torch.allclose(ExplicitAttention(attention)(tokens), attention(tokens), atol=1e-5)


def test_engines_get_the_same_weights():
    torch.manual_seed(0)
    config = debug_config()
    config.heads.min_score = 0.0
    detector = build_detector(config).eval()
    state = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    prepare_to_predict(detector, "bf16")
    page = blank_page()
    page[:, 20:60, 10:80] = 0.2
    exact, *others = engine_peers(config, state, page, precision="bf16")
    assert exact.name == "ours in fp32" and exact.answer().scores[0] == pytest.approx(
        float(detector.predict([page])[0].scores[0]), abs=0.02
    )
    assert [peer.against for peer in others] == ["model", "model"]
    if "detectron2" not in available_engines():
        assert all(peer.call is None and peer.reason == "detectron2 is not installed" for peer in others)
    else:
        for peer in others:
            assert torch.allclose(peer.answer().scores[:5], exact.answer().scores[:5], atol=1e-4)
    assert [peer.name for peer in engine_peers(config, state, page, precision="fp32")] == [peer.name for peer in others]


def test_backbone_of_timm_has_the_size_of_ours():
    detector = build_detector(debug_config()).eval()
    exact, cast = backbone_peers(detector, torch.rand(1, 3, 96, 160))
    assert exact.call().shape == cast.call().shape == (1, 61, 192)


def test_what_is_not_installed_has_a_reason(monkeypatch):
    def missing(*arguments: object) -> None:
        raise ImportError

    monkeypatch.setattr(peers, "timm_model", missing)
    detector = build_detector(debug_config()).eval()
    assert {peer.reason for peer in backbone_peers(detector, torch.rand(1, 3, 96, 160))} == {"timm is not installed"}
