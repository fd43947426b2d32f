"""Images per second of a model in inference and in training, beside timm's same model. Measured by benchmark.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbone.vit import VisionTransformer, VitDimensions

NUM_WARM_UP, MIN_CALLS = 2, 3
DROP_PATH = 0.1  # of training steps, as in the paper


@dataclass(frozen=True)
class Speed:
    """Images per second of ours and of timm's same model; None where not measured, and why in `reason`."""

    ours: float | None
    timm: float | None
    reason: str = ""


def measure_speed(
    dims: VitDimensions,
    precision: str,
    device: torch.device,
    *,
    batch_size: int,
    seconds: float,
    is_training: bool,
) -> Speed:
    """Images per second of a forward pass, or of a training step: forward, backward, AdamW. precision: fp32 or bf16.

    Runs out of memory: not measured, and says so.
    """
    models = {"ours": VisionTransformer(dims, drop_path=DROP_PATH if is_training else 0.0)}
    reason = ""
    try:
        models["timm"] = timm_model(dims, drop_path=DROP_PATH if is_training else 0.0)
    except ImportError:
        reason = "timm is not installed"
    torch.manual_seed(0)
    images = torch.randn(batch_size, 3, *dims.image_size_hw, device=device)
    labels = torch.randint(dims.num_classes, (batch_size,), device=device)
    try:
        calls = {
            name: _step(model.to(device), images, labels, precision, is_training=is_training)
            for name, model in models.items()
        }
        rates = {name: batch_size / median for name, median in median_seconds(calls, seconds, device).items()}
    except torch.OutOfMemoryError:
        return Speed(None, None, f"{batch_size} images do not fit the memory: lower --batch-size")
    return Speed(rates["ours"], rates.get("timm"), reason)


def timm_model(dims: VitDimensions, *, drop_path: float = 0.0) -> nn.Module:
    """timm's model of the same dimensions, random weights; two outputs in training with a distillation token."""
    import timm

    model = timm.create_model(
        "deit_tiny_distilled_patch16_224" if dims.distilled else "deit_tiny_patch16_224",
        img_size=dims.image_size_hw,
        patch_size=dims.patch_size,
        embed_dim=dims.embed_dim,
        depth=dims.depth,
        num_heads=dims.num_heads,
        mlp_ratio=dims.mlp_ratio,
        num_classes=dims.num_classes,
        drop_path_rate=drop_path,
    )
    if dims.distilled:
        model.set_distilled_training(True)
    return model


def median_seconds(calls: Mapping[str, Callable[[], object]], seconds: float, device: torch.device) -> dict[str, float]:
    """Median time of each call, made in turns, so that a machine that slows down slows all of them alike.

    Warmed up first; then MIN_CALLS rounds, in which a call is made again until its share of `seconds` is spent, so that
    a quick one among slow ones costs no more rounds. A GPU is waited for at both ends of a call.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in [*calls.values()] * NUM_WARM_UP:
        _seconds_of(call, device)
    for _ in range(MIN_CALLS):
        for name, call in calls.items():
            turn = [_seconds_of(call, device)]
            while sum(turn) < seconds / MIN_CALLS:
                turn.append(_seconds_of(call, device))
            times[name] += turn
    return {name: statistics.median(spent) for name, spent in times.items()}


def _seconds_of(call: Callable[[], object], device: torch.device) -> float:
    _wait_for(device)
    started = time.perf_counter()
    call()
    _wait_for(device)
    return time.perf_counter() - started


def _step(
    model: nn.Module, images: Tensor, labels: Tensor, precision: str, *, is_training: bool
) -> Callable[[], object]:
    """One forward pass, or one training step, to be called again and again."""
    autocast = torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=precision == "bf16")

    def infer() -> None:
        with torch.inference_mode(), autocast:
            model(images)

    def train() -> None:
        optimizer.zero_grad()
        with autocast:
            outputs = model(images)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            loss = torch.stack([F.cross_entropy(logits, labels) for logits in outputs]).mean()
        loss.backward()
        optimizer.step()

    if not is_training:
        model.eval()
        return infer
    model.train()
    optimizer = torch.optim.AdamW(model.parameters())
    return train


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
