"""The two loops of a classifier, plain functions: `train_one_epoch` and `evaluate`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from backbone.augment import BatchMixer
from backbone.batches import ImageBatch
from backbone.config import ImageTrainConfig
from backbone.distill import Teacher, distillation_loss
from backbone.metrics import Metrics, Tally
from backbone.optim import warmup_cosine
from backbone.run_state import RunState, clip_gradients

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepReport:
    """Numbers of one step over all processes: steps counted from 1, mean loss, the rate used, images per second.

    num_unreadable: images that could not be read and were replaced.
    """

    step: int
    loss: float
    learning_rate: float
    images_per_second: float
    num_unreadable: int


def train_one_epoch(
    fabric: Fabric,
    state: RunState,
    batches: Iterable[ImageBatch],
    config: ImageTrainConfig,
    *,
    steps_per_epoch: int,
    mixer: BatchMixer,
    teacher: Teacher | None,
    on_step: Callable[[StepReport], bool],
) -> bool:
    """Train on `batches`, run.accumulate of them to a step; True at their end, False where `on_step` returned False.

    Every batch seeds the generators with (seed, step, part), so a resumed run repeats an uninterrupted one and several
    processes draw what one would; but Mixup and CutMix, which pair images of one process, with its number too.
    FloatingPointError with the numbers and the images when a loss is not finite.
    """
    optim, run = config.optim, config.run
    state.model.train()
    started = time.perf_counter()
    for parts in _grouped(batches, run.accumulate):
        learning_rate = rate_at(state.step, config, steps_per_epoch)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate
        losses = []
        for index, batch in enumerate(parts):
            is_last = index == len(parts) - 1
            with fabric.no_backward_sync(state.model, enabled=not is_last) if fabric.world_size > 1 else nullcontext():
                loss = _loss(fabric, state, batch, index, mixer, teacher, config)
                if not torch.isfinite(loss):
                    raise FloatingPointError(_not_finite(state.step + 1, loss.item(), learning_rate, batch))
                fabric.backward(loss / len(parts))
            losses.append(loss.detach())
        clip_gradients(fabric, state, optim.clip_norm)
        state.optimizer.step()
        state.optimizer.zero_grad()
        if state.averaged is not None:
            state.averaged.update_parameters(state.plain_model())
        state.step += 1
        now = time.perf_counter()
        loss, num_unreadable = _over_processes(fabric, torch.stack(losses).mean(), _log_unreadable(parts))
        report = StepReport(
            step=state.step,
            loss=loss,
            learning_rate=learning_rate,
            images_per_second=run.batch_size / (now - started),
            num_unreadable=num_unreadable,
        )
        started = now
        if not on_step(report):
            return False
    return True


@torch.no_grad()
def evaluate(
    model: nn.Module,
    loader: Iterable[ImageBatch],
    *,
    fabric: Fabric | None = None,
    on_batch: Callable[[ImageBatch, Tensor], None] | None = None,
) -> Metrics:
    """Score a model on this process's share of the images; the same metrics come back on every process of `fabric`.

    Shares may differ in length, even be empty: processes meet only at the end. The model is left as it was found.
    on_batch is told every batch that is not empty and its logits (B, K).
    """
    module = getattr(model, "module", model)  # a wrapper for many processes would wait for the others at each batch
    was_training, device = module.training, next(module.parameters()).device
    module.eval()
    tally: Tally | None = None
    for batch in loader:
        _log_unreadable([batch])
        if not len(batch.labels):
            continue
        with fabric.autocast() if fabric is not None else nullcontext():
            logits = module(batch.images.to(device, non_blocking=True))
        tally = tally or Tally(logits.shape[1], device)
        tally.update(logits, batch.labels)
        if on_batch is not None:
            on_batch(batch, logits)
    module.train(was_training)
    num_classes = torch.tensor(tally.num_classes if tally else 0, device=device)
    if fabric is not None and fabric.world_size > 1:
        num_classes = fabric.all_reduce(num_classes, reduce_op="max")
    return (tally or Tally(max(1, int(num_classes)), device)).metrics(fabric)


def rate_at(step: int, config: ImageTrainConfig, steps_per_epoch: int) -> float:
    """The rate of a step (from 0): scaled by batch / 512, warmed up, then a cosine (arXiv:2012.12877, sec. 6)."""
    optim, run = config.optim, config.run
    peak = optim.rate_per_512 * run.batch_size / 512
    share = warmup_cosine(
        step,
        num_steps=run.epochs * steps_per_epoch,
        warmup_steps=round(optim.warmup_epochs * steps_per_epoch),
        final_ratio=optim.final_rate / peak if peak else 1.0,
    )
    return peak * share


def _loss(
    fabric: Fabric,
    state: RunState,
    batch: ImageBatch,
    part: int,
    mixer: BatchMixer,
    teacher: Teacher | None,
    config: ImageTrainConfig,
) -> Tensor:
    images, labels = (tensor.to(fabric.device, non_blocking=True) for tensor in (batch.images, batch.labels))
    images, targets = mixer(images, labels, (config.run.seed, state.step, fabric.global_rank, part))
    seed = (config.run.seed, state.step, 0, part)  # for stochastic depth, which draws for all processes together
    torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]))
    outputs = state.model(images)
    teacher_logits = None
    if teacher is not None:
        with fabric.autocast():
            teacher_logits = teacher(images)
    return distillation_loss(outputs, targets, teacher_logits, config.distill)


def _over_processes(fabric: Fabric, loss: Tensor, num_unreadable: int) -> tuple[float, int]:
    """The mean of a loss and the sum of a count, alike on every process: each has as many images as the others."""
    if fabric.world_size == 1:
        return float(loss), num_unreadable
    sums = torch.stack([loss.float(), loss.new_tensor(num_unreadable, dtype=torch.float32)])
    total, count = fabric.all_reduce(sums, reduce_op="sum").tolist()
    return total / fabric.world_size, round(count)


def _grouped(batches: Iterable[ImageBatch], size: int) -> Iterator[list[ImageBatch]]:
    rest = iter(batches)
    while parts := list(islice(rest, size)):
        yield parts


def _log_unreadable(parts: list[ImageBatch]) -> int:
    messages = [message for batch in parts for message in batch.unreadable]
    for message in messages:
        log.warning("left out: %s", message)
    return len(messages)


def _not_finite(step: int, loss: float, learning_rate: float, batch: ImageBatch) -> str:
    """The numbers, and whether the images or the weights are to blame."""
    is_input_finite = bool(torch.isfinite(batch.images).all())
    low, high = float(batch.images.nan_to_num().min()), float(batch.images.nan_to_num().max())
    inputs = f"inputs in [{low:.2f}, {high:.2f}]" if is_input_finite else "inputs that are not finite"
    return (
        f"step {step}: the loss is not finite ({loss}) at rate {learning_rate:.3g}, {inputs}, on "
        f"{', '.join(batch.names[:4])} and {max(0, len(batch.names) - 4)} more; the last checkpoint is whole: "
        f"lower optim.rate_per_512, set optim.clip_norm, or use run.precision=bf16-mixed instead of 16-mixed"
    )
