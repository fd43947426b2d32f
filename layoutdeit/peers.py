"""What else does the same work, to be timed in turns with ours: fp32, other engines, other backbones and detectors.

Random weights are as slow as trained ones. benchmark.py asks for all of them; one that is not installed says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from backbone.model_speed import timm_model
from backbone.vit import Attention
from layoutdeit.config import DetectorConfig
from layoutdeit.engines import available_engines, build_detector
from layoutdeit.engines.base import Detections, Detector
from layoutdeit.engines.precision import prepare_to_predict

RT_DETR_SIDE = 640  # px: the size RT-DETRv2 is published at, arXiv:2407.17140


@dataclass(frozen=True)
class Peer:
    """Something to compare with. `against`: whose time its own is divided by: "model", "backbone" or "page".

    `call` is None where it cannot be measured here, and `reason` says why. `answer` gives its detections, if any.
    """

    name: str
    against: str
    call: Callable[[], object] | None = None
    reason: str = ""
    answer: Callable[[], Detections] | None = None


class ExplicitAttention(nn.Module):
    """Attention as the released DeiT and DiT code writes it out, with the weights of ours. (B, N, C) -> (B, N, C)."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.num_heads, self.qkv, self.proj = attention.num_heads, attention.qkv, attention.proj

    def forward(self, tokens: Tensor) -> Tensor:
        """All weights of all heads at once, (B, h, N, N)."""
        b, n, c = tokens.shape
        qkv = self.qkv(tokens).reshape(b, n, 3, self.num_heads, c // self.num_heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)  # 3 x (B, h, N, d)
        weights = ((q * (c // self.num_heads) ** -0.5) @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


def engine_peers(config: DetectorConfig, state: dict[str, Tensor], image: Tensor, *, precision: str) -> list[Peer]:
    """The same weights in other arithmetic and in the other engine. image: (3, H, W), the page that ours is given."""
    device = image.device
    peers = []
    if precision != "fp32":
        peers.append(_detector_peer("ours in fp32", _loaded(config, "torchvision", state, device), image))
    names = ("detectron2 engine, fp32", "detectron2 engine, fp32, the original explicit attention")
    if "detectron2" not in available_engines():
        return peers + [Peer(name, "model", reason="detectron2 is not installed") for name in names]
    peers.append(_detector_peer(names[0], _loaded(config, "detectron2", state, device), image))
    explicit = _loaded(config, "detectron2", state, device)
    for block in explicit.backbone.blocks:
        block.attn = ExplicitAttention(block.attn)
    return [*peers, _detector_peer(names[1], explicit, image)]


def backbone_peers(detector: Detector, images: Tensor) -> list[Peer]:
    """timm's model of the same size at the same input (B, 3, H, W), in fp32 and under autocast to bf16."""
    dims = replace(detector.backbone.dimensions, image_size_hw=tuple(images.shape[-2:]), num_classes=0)
    names = {"timm backbone, fp32": False, "timm backbone, bf16 autocast": True}
    try:
        model = timm_model(dims).to(images.device).eval()
    except ImportError:
        return [Peer(name, "backbone", reason="timm is not installed") for name in names]
    return [
        Peer(name, "backbone", _forward(model.forward_features, images, is_bf16)) for name, is_bf16 in names.items()
    ]


def rt_detr_peers(device: torch.device) -> list[Peer]:
    """RT-DETRv2 with ResNet-50 of transformers: its forward pass alone, no rendering, no resizing, no clean-up."""
    names = {"RT-DETRv2-R50 forward at 640 px, fp32": False, "RT-DETRv2-R50 forward at 640 px, bf16 autocast": True}
    try:
        from transformers import RTDetrV2Config, RTDetrV2ForObjectDetection
    except ImportError:
        return [Peer(name, "model", reason="transformers is not installed") for name in names]
    model = RTDetrV2ForObjectDetection(RTDetrV2Config()).to(device).eval()  # its defaults are those of R50
    images = torch.rand(1, 3, RT_DETR_SIDE, RT_DETR_SIDE, device=device)
    return [Peer(name, "model", _forward(model, images, is_bf16)) for name, is_bf16 in names.items()]


def _loaded(config: DetectorConfig, engine: str, state: dict[str, Tensor], device: torch.device) -> Detector:
    detector = build_detector(config, engine)
    detector.load_state_dict(state)
    detector.to(device).eval()
    prepare_to_predict(detector, "fp32")
    return detector


def _detector_peer(name: str, detector: Detector, image: Tensor) -> Peer:
    def answer() -> Detections:
        return detector.predict([image])[0]

    return Peer(name, "model", answer, answer=answer)


def _forward(model: Callable[[Tensor], object], images: Tensor, is_bf16: bool) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode(), torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=is_bf16):
            return model(images)

    return call
