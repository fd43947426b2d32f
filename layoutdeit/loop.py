"""The two loops of a detector: `train_steps` and `collect_results`. They see engines only through the contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric import Fabric
from torch.utils.data import DataLoader

from backbone.optim import warmup_cosine
from backbone.run_state import RunState
from layoutdeit.coco_eval import detections_to_coco
from layoutdeit.config import TrainConfig
from layoutdeit.engines.base import Detector
from layoutdeit.publaynet import PageDataset, PageSample


@dataclass(frozen=True)
class StepReport:
    """Numbers of one step: step counts from 1, losses by name, the rate used, pages per second since the last."""

    step: int
    losses: dict[str, float]
    learning_rate: float
    pages_per_second: float


def train_steps(
    fabric: Fabric,
    state: RunState,
    batches: Iterable[list[PageSample]],
    config: TrainConfig,
    *,
    on_step: Callable[[StepReport], bool],
) -> None:
    """Train on `batches`, one step each, until they end or `on_step` returns False.

    Every step seeds the generators with (seed, step), so a resumed run repeats an uninterrupted one.
    FloatingPointError with the page names when a loss is not finite.
    """
    optim = config.optim
    peak_rates = [group.setdefault("initial_lr", group["lr"]) for group in state.optimizer.param_groups]
    state.model.train()
    started = time.perf_counter()
    for samples in batches:
        torch.manual_seed((config.seed << 32) + state.step * fabric.world_size + fabric.global_rank)
        share = warmup_cosine(
            state.step,
            num_steps=config.num_steps,
            warmup_steps=optim.warmup_steps,
            final_ratio=optim.final_ratio,
        )
        for group, peak in zip(state.optimizer.param_groups, peak_rates, strict=True):
            group["lr"] = peak * share
        losses = state.model(
            [sample.image.to(fabric.device).float() / 255 for sample in samples],
            [sample.target.to(fabric.device) for sample in samples],
        )
        total = sum(losses.values())
        if not torch.isfinite(total):
            names = ", ".join(sample.file_name for sample in samples)
            values = {name: float(value) for name, value in losses.items()}
            raise FloatingPointError(f"step {state.step + 1}: the loss is not finite ({values}) on {names}")
        fabric.backward(total)
        if optim.clip_norm > 0:
            fabric.clip_gradients(state.model, state.optimizer, max_norm=optim.clip_norm)
        state.optimizer.step()
        state.optimizer.zero_grad()
        if state.averaged is not None:
            state.averaged.update_parameters(state.plain_model())
        state.step += 1
        now = time.perf_counter()
        report = StepReport(
            step=state.step,
            losses={name: float(value.detach()) for name, value in losses.items()},
            learning_rate=state.optimizer.param_groups[0]["lr"],
            pages_per_second=len(samples) * fabric.world_size / (now - started),
        )
        started = now
        if not on_step(report):
            return


def collect_results(
    detector: Detector,
    dataset: PageDataset,
    *,
    device: torch.device | str = "cpu",
    num_workers: int = 0,
    masks: bool = False,
    on_page: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Detect on every page of a data set -> COCO result entries. `on_page` is told (done, total)."""
    loader = DataLoader(dataset, batch_size=None, num_workers=num_workers)
    results: list[dict[str, Any]] = []
    for done, sample in enumerate(loader, start=1):
        found = detector.predict([sample.image.to(device).float() / 255], masks=masks)[0]
        results.extend(detections_to_coco(found, sample.image_id))
        if on_page is not None:
            on_page(done, len(dataset))
    return results
