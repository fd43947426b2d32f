"""The two loops of a detector: `train_steps` and `detect_pages`. They see engines only through the contract."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from backbone.run_state import RunState, clip_gradients
from layoutdeit.coco_eval import detections_to_coco
from layoutdeit.config import InputConfig, TrainConfig
from layoutdeit.engines.base import Detector
from layoutdeit.learning_rate import rate_share
from layoutdeit.publaynet import PageDataset, PageSample, evaluation_batches

# Between the seeds of runs whose own are neighbours: large and odd, as CPU generators look at the low 32 bits only.
SEED_STRIDE = 2_654_435_761


@dataclass(frozen=True)
class StepReport:
    """One step: step counts from 1; this process's losses by name are still on the device, reading waits for it.

    learning_rate is the full one, of pyramid and heads; broken says which pictures of this process's share could not
    be read.
    """

    step: int
    losses: dict[str, Tensor]
    learning_rate: float
    broken: tuple[str, ...]

    def read_losses(self, fabric: Fabric) -> dict[str, float]:
        """The losses of the whole batch as numbers; every process must call it."""
        values = torch.stack([value.float() for value in self.losses.values()])
        if fabric.world_size > 1:
            values = fabric.all_reduce(values, reduce_op="mean")
        return dict(zip(self.losses, values.tolist(), strict=True))


def train_steps(
    fabric: Fabric,
    state: RunState,
    batches: Iterable[list[PageSample]],
    config: TrainConfig,
    *,
    on_step: Callable[[StepReport], bool],
    is_due: Callable[[int], bool] = lambda step: True,
) -> None:
    """Train on `batches`, one step each, until they end or `on_step` returns False.

    Every step seeds the generators with (seed, step), alike in all processes (see batch_draws.py), so a resumed run
    repeats an uninterrupted one.
    FloatingPointError with the page names when a loss is not finite: found before the step's update on a CPU; on a
    device, which must not be waited for, at the next step that `is_due`, before its `on_step`.
    """
    peak_rates = [group["lr"] for group in state.optimizer.param_groups]
    state.model.train()
    watch = _LossWatch(fabric)
    for samples in batches:
        torch.manual_seed((config.seed * SEED_STRIDE + state.step) % 2**63)
        share = rate_share(state.step, config)
        for group, peak in zip(state.optimizer.param_groups, peak_rates, strict=True):
            group["lr"] = peak * share
        losses = state.model(
            [sample.image.to(fabric.device).float() / 255 for sample in samples],
            [sample.target.to(fabric.device) for sample in samples],
        )
        total = sum(losses.values())
        watch.add(state.step + 1, losses, [sample.file_name for sample in samples])
        if fabric.device.type == "cpu":
            watch.check()
        fabric.backward(total)
        clip_gradients(fabric, state, config.optim.clip_norm)
        state.optimizer.step()
        state.optimizer.zero_grad()
        if state.averaged is not None:
            state.averaged.update_parameters(state.plain_model())
        state.step += 1
        if is_due(state.step):
            watch.check()
        report = StepReport(
            step=state.step,
            losses={name: value.detach() for name, value in losses.items()},
            learning_rate=config.optim.learning_rate * share,
            broken=tuple(reason for sample in samples for reason in sample.broken),
        )
        if not on_step(report):
            return


class _LossWatch:
    """Remembers, on the device, the first step whose loss was not finite, and which pages it saw."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.bad_step = torch.zeros((), dtype=torch.int64, device=fabric.device)  # 0: none so far
        self.recent: deque[tuple[int, list[str], dict[str, Tensor]]] = deque()

    def add(self, step: int, losses: dict[str, Tensor], names: list[str]) -> None:
        values = {name: value.detach() for name, value in losses.items()}
        is_bad = ~torch.isfinite(sum(values.values()))
        self.bad_step = torch.where((self.bad_step == 0) & is_bad, step, self.bad_step)
        self.recent.append((step, names, values))

    def check(self) -> None:
        """Stop all processes together if one of them has seen a bad loss since the last check."""
        if self.fabric.world_size == 1:
            bad_steps = [int(self.bad_step)]
        else:
            shares = [torch.zeros_like(self.bad_step) for _ in range(self.fabric.world_size)]
            torch.distributed.all_gather(shares, self.bad_step)
            bad_steps = torch.stack(shares).tolist()
        if not any(bad_steps):
            self.recent.clear()
            return
        first = min(step for step in bad_steps if step)  # weights are shared: later ones follow from it
        _, names, values = next(entry for entry in self.recent if entry[0] == first)
        mine = f"{ ({name: float(value) for name, value in values.items()}) } on {', '.join(names)}"
        if self.fabric.world_size > 1:
            everyone: list[str] = [""] * self.fabric.world_size
            torch.distributed.all_gather_object(everyone, mine)
            bad = [rank for rank, step in enumerate(bad_steps) if step == first]
            mine = "; ".join(f"process {rank}: {everyone[rank]}" for rank in bad)
        raise FloatingPointError(f"step {first}: the loss is not finite: {mine}")


@dataclass(frozen=True)
class PageResults:
    """What was found on a data set, of all processes, by image id.

    entries: COCO results; image_ids: the pages looked at; broken: why the others could not be.
    """

    entries: list[dict[str, Any]]
    image_ids: list[int]
    broken: list[str]


@dataclass(frozen=True)
class _ReadPages:
    """A batch as a loader process made it: pages, and why others are not there."""

    samples: list[PageSample] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class _Batches(Dataset):
    """Batches of a data set; a broken picture is told instead of raised."""

    def __init__(self, dataset: PageDataset, batches: list[list[int]]) -> None:
        self.dataset, self.batches = dataset, batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> _ReadPages:
        read = _ReadPages()
        for page in self.batches[index]:
            try:
                read.samples.append(self.dataset[page])
            except (ValueError, OSError) as error:
                read.broken.append(str(error))
        return read


def detect_pages(
    fabric: Fabric,
    detector: Detector,
    dataset: PageDataset,
    settings: InputConfig,
    *,
    batch_size: int = 1,
    num_workers: int = 0,
    masks: bool = False,
    on_batch: Callable[[int, int], None] | None = None,
) -> PageResults:
    """Detect on every page, each process on its share of the batches. The main process gets all, the others their own.

    Batches depend on the pages alone, so the results do not depend on the number of processes. `on_batch` is told
    (pages done, pages in all) of this process's share.
    """
    batches = evaluation_batches(dataset, settings, batch_size)[fabric.global_rank :: fabric.world_size]
    loader = DataLoader(_Batches(dataset, batches), batch_size=None, num_workers=num_workers)
    entries: list[dict[str, Any]] = []
    image_ids: list[int] = []
    broken: list[str] = []
    num_pages = sum(map(len, batches))
    for read in loader:
        broken += read.broken
        images = [sample.image.to(fabric.device).float() / 255 for sample in read.samples]
        for sample, found in zip(read.samples, detector.predict(images, masks=masks) if images else [], strict=True):
            entries.extend(detections_to_coco(found, sample.image_id))
            image_ids.append(sample.image_id)
        if on_batch is not None:
            on_batch(len(image_ids) + len(broken), num_pages)
    if fabric.world_size > 1:
        shares: list[Any] = [None] * fabric.world_size if fabric.is_global_zero else None
        torch.distributed.gather_object((entries, image_ids, broken), shares, dst=0)
        if shares is not None:
            entries, image_ids, broken = ([row for share in shares for row in share[part]] for part in range(3))
    return PageResults(sorted(entries, key=lambda entry: entry["image_id"]), sorted(image_ids), sorted(broken))
