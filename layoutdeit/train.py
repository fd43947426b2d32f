"""Train a detector: `python -m layoutdeit.train configs/detector/NAME.yaml data.root=DIR output_dir=DIR [key=value]`.

The same command again goes on from the last checkpoint of output_dir. Under torchrun every process joins the run.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.train_command import run_training

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from torch import Tensor

    from layoutdeit.config import DataConfig, DetectorConfig, TrainConfig
    from layoutdeit.engines.base import Detector
    from layoutdeit.loop import StepReport
    from layoutdeit.publaynet import PageDataset
    from layoutdeit.validation import Validation

log = logging.getLogger(__name__)

PLACES = frozenset(("pdfs", "trees"))  # what corpus.json names by its path
CHECKPOINT_NAME = "checkpoint.pt"
MODEL_NAME = "model.safetensors"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, train, and return the exit status: 0 done or paused, 1 failed, 2 usage."""
    return run_training(
        arguments,
        module="layoutdeit.train",
        description=__doc__.splitlines()[0],
        configs="configs/detector",
        data_root="/data/publaynet",
        load=_load,
        train=train,
    )


def train(config: TrainConfig) -> Path | None:
    """Train to the end and return the finished model's path, or None where max_minutes paused the run."""
    import torch
    from torch.utils.data import DataLoader

    from backbone.bf16 import training_precision
    from backbone.optim import make_average
    from backbone.run_state import is_scaled, open_fabric, resume_run, save_run, set_up
    from backbone.stopped_job import explain_stops
    from layoutdeit.engines import build_detector
    from layoutdeit.engines.precision import lay_out_weights
    from layoutdeit.learning_rate import rate_groups
    from layoutdeit.loop import train_steps
    from layoutdeit.publaynet import RunSampler
    from layoutdeit.synced_norm import synced_over_gpus
    from layoutdeit.train_log import Pace, TrainLog

    started = time.monotonic()
    output_dir = Path(config.output_dir)
    config.precision = training_precision(config.precision)
    fabric = open_fabric(config.precision, config.devices, strategy=config.strategy)
    start = _read_start(config.init_from)
    if config.keep_detector:
        if start is None:
            raise ValueError(f"keep_detector needs a detector of ours in init_from, {config.init_from!r} is none")
        config.detector = start.config
    dataset, validation = _open_data(fabric, config)
    output_dir.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(config.seed)
    detector = build_detector(config.detector, config.engine)
    _initialise(detector, config.init_from, start)
    if config.strategy != "fsdp":  # which cuts what lies in a row
        lay_out_weights(detector)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        detector = synced_over_gpus(detector)
    averaged = make_average(detector, config.optim.ema_decay) if config.optim.ema_decay > 0 else None
    optim = config.optim
    state = set_up(
        fabric,
        detector,
        averaged,
        lambda model: torch.optim.AdamW(rate_groups(model, optim), lr=optim.learning_rate, fused=not is_scaled(fabric)),
    )
    plan = {"num_steps": config.num_steps, "batch_size": config.batch_size, "seed": config.seed, "pages": len(dataset)}
    resume_run(fabric, state, output_dir / CHECKPOINT_NAME, plan)
    explain_stops(output_dir / CHECKPOINT_NAME, fabric.global_rank)
    train_log = TrainLog(output_dir, state.step, tensorboard=config.tensorboard) if fabric.is_global_zero else None
    sampler = RunSampler(
        len(dataset),
        batch_size=config.batch_size,
        first_step=state.step,
        num_steps=config.num_steps,
        seed=config.seed,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    if fabric.is_global_zero:
        run = f"step {state.step} of {config.num_steps}, batch {config.batch_size} over {fabric.world_size} processes"
        log.info("%s\n%s on %s, %s", "\n".join(dataset.report_lines()), run, fabric.device, config.precision)
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=config.data.num_workers,
        collate_fn=list,
        persistent_workers=config.data.num_workers > 0,
    )
    pace = Pace(config.num_steps, config.batch_size, state.step)
    broken: set[str] = set()

    def is_due(step: int) -> bool:
        """Whether to look at a step: on a GPU rarely, for it must be waited for."""
        every = [config.log_every, config.checkpoint_every] + ([config.eval_every] if config.eval_every else [])
        return fabric.device.type == "cpu" or step in (1, config.num_steps) or any(step % n == 0 for n in every)

    def on_step(report: StepReport) -> bool:
        for reason in set(report.broken) - broken:
            log.warning("%s; another page takes its place", reason)
        broken.update(report.broken)
        if not is_due(report.step):
            return True
        is_over_time = config.max_minutes > 0 and bool(  # the main process's clock decides for all
            fabric.broadcast(time.monotonic() - started > 60 * config.max_minutes)
        )
        is_last = report.step == config.num_steps
        if report.step % config.log_every == 0 or report.step == 1 or is_last:
            losses = report.read_losses(fabric)
            pace.update(report.step)
            if train_log is not None:
                log.info("%s", pace.line(report.step, losses, report.learning_rate))
                train_log.add_step(
                    report.step, losses, learning_rate=report.learning_rate, pages_per_second=pace.pages_per_second
                )
        if is_over_time or is_last or report.step % config.checkpoint_every == 0:
            save_run(fabric, state, output_dir / CHECKPOINT_NAME, plan)
        if validation is not None and config.eval_every and report.step % config.eval_every == 0 and not is_last:
            validation.run(fabric, state.final_model(), report.step, train_log)
            pace.restart(report.step)
        return not is_over_time

    train_steps(fabric, state, loader, config, on_step=on_step, is_due=is_due)
    if broken:
        log.info("%d pictures could not be read", len(broken))
    model_path = output_dir / MODEL_NAME if state.step == config.num_steps else None
    if model_path is None:
        log.info("paused at step %d of %d: the same command goes on", state.step, config.num_steps)
    else:
        final = state.final_model()  # by every process
        metrics = validation and validation.run(fabric, final, state.step, train_log)
        if fabric.is_global_zero:
            from layoutdeit.weights import save_model

            record = _record(config, metrics, None if start is None else start.record)
            save_model(model_path, final.state_dict(), config.detector, record)
            log.info("wrote %s", model_path)
    if train_log is not None:
        train_log.close()
    fabric.barrier()
    return model_path


def _load(path: str, overrides: list[str]) -> TrainConfig:
    """The configuration, and what it names is there. ValueError or FileNotFoundError."""
    from backbone.config import check_choice, load_config
    from layoutdeit.config import TrainConfig
    from layoutdeit.engines import ENGINES

    config = load_config(TrainConfig, path, overrides)
    check_choice("engine", config.engine, ENGINES)
    for split in filter(None, (config.data.train_split, config.data.val_split)):
        annotations = Path(config.data.root) / f"{split}.json"
        if not annotations.is_file():
            raise FileNotFoundError(
                f"no annotations at {annotations}: expected PubLayNet's tree in data.root, {split}.json beside {split}/"
            )
    _check_start(config.init_from)
    return config


def _check_start(init_from: str) -> None:
    """FileNotFoundError unless init_from is empty, or a file, a folder or a name that can be looked for."""
    from layoutdeit.model_registry import MODELS, resolve_model

    if init_from in MODELS:
        resolve_model(init_from)
    elif not Path(init_from).exists():
        from backbone.published import PUBLISHED

        if init_from not in PUBLISHED:
            raise FileNotFoundError(
                f"no file at {init_from} to start from: give init_from=FILE, or one of the names {', '.join(MODELS)}, "
                f"or for the backbone alone {', '.join(PUBLISHED)}"
            )


def _open_data(fabric: Fabric, config: TrainConfig) -> tuple[PageDataset, Validation | None]:
    """The pages to train on, and those to validate on where the configuration names some."""
    from layoutdeit.publaynet import PageDataset, read_annotations
    from layoutdeit.validation import Validation

    def open_split(split: str, settings: DataConfig | None) -> PageDataset:
        root = Path(config.data.root)
        with fabric.rank_zero_first(local=True):  # a large file is parsed once
            annotations = read_annotations(root / f"{split}.json")
        with_masks = settings is not None and config.detector.heads.mask_layers > 0
        return PageDataset(annotations, root / split, settings, seed=config.seed, with_masks=with_masks)

    dataset = open_split(config.data.train_split, config.data)
    if not config.data.val_split:
        return dataset, None
    truth_path = Path(config.data.root) / f"{config.data.val_split}.json"
    return dataset, Validation(open_split(config.data.val_split, None), config, str(truth_path))


@dataclass(frozen=True)
class _Start:
    """A detector of ours to start from: its settings, training record and weights."""

    config: DetectorConfig
    record: dict[str, Any]
    weights: dict[str, Tensor]


def _read_start(init_from: str) -> _Start | None:
    """The model of ours that init_from names or is; None for anything else."""
    from layoutdeit.weights import MODELS, is_model_file, read_model_file, resolve_model

    path = resolve_model(init_from) if init_from in MODELS else Path(init_from)
    return _Start(*read_model_file(path)) if init_from and is_model_file(path) else None


def _initialise(detector: Detector, init_from: str, start: _Start | None) -> None:
    """Fill the detector from a model of ours, or its backbone from any checkpoint; say what was used."""
    if start is not None:
        detector.load_state_dict(start.weights)
        log.info("all weights from %s", init_from)
    elif init_from:
        from backbone.published import load_into

        log.info("backbone from %s\n%s", init_from, load_into(detector.backbone, init_from))


def _record(
    config: TrainConfig, metrics: dict[str, Any] | None, earlier_record: dict[str, Any] | None
) -> dict[str, Any]:
    """How the model was made, for its file; what it started from has seen is part of what it has seen."""
    import torch

    settings = asdict(config)
    del settings["detector"], settings["output_dir"], settings["data"]["root"]  # kept beside it, or of this machine
    settings["init_from"] = Path(config.init_from).name
    record = {
        "date": time.strftime("%Y-%m-%d"),
        "pages_seen": config.num_steps * config.batch_size,
        "settings": settings,
        "corpus": _corpus_record(Path(config.data.root) / "corpus.json"),
        "validation": metrics,
        "started_from": earlier_record,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}",
    }
    return _without_folders(record)


def _corpus_record(path: Path) -> dict[str, Any] | None:
    """How the pages were made; None where that is not told, or not readable."""
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(splits, dict):
            raise ValueError(f"expected an object with an entry per split, got {type(splits).__name__}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # a run that has ended must not lose its model
        log.warning("%s cannot be read, the model's record is without it: %s", path, error)
        return None
    return splits


def _without_folders(content: Any) -> Any:
    """A record with the names alone of the PDFs and trees in it, and in those of older files that it started from."""
    if not isinstance(content, dict):
        return content
    return {
        key: [Path(str(place)).name for place in value]
        if key in PLACES and isinstance(value, list)
        else _without_folders(value)
        for key, value in content.items()
    }


if __name__ == "__main__":
    sys.exit(main())
