"""Train a DeiT: `python -m backbone.train configs/backbone/NAME.yaml data.root=DIR output_dir=DIR [key=value ...]`.

From scratch, distilled and fine-tuned are configurations; so is a teacher, any classifier of timm or torchvision. The
same command again goes on from the last checkpoint of output_dir. Under torchrun every process joins the run.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.train_command import run_training

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from torch import nn
    from torch.utils.data import DataLoader

    from backbone.batches import EpochSampler
    from backbone.config import ImageTrainConfig
    from backbone.datasets import LabelledImages
    from backbone.loop import StepReport
    from backbone.metrics import Metrics
    from backbone.run_state import RunState

log = logging.getLogger(__name__)
CHECKPOINT_NAME = "checkpoint.pt"
MODEL_NAME = "model.safetensors"
AVERAGE_NAME = "model_average.safetensors"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, train, and return the exit status: 0 done or paused, 1 failed, 2 usage."""
    return run_training(
        arguments,
        module="backbone.train",
        description=__doc__.splitlines()[0],
        configs="configs/backbone",
        data_root="/data/imagenet",
        load=_load,
        train=train,
    )


def train(config: ImageTrainConfig) -> Path | None:
    """Train to the end and return the finished model's path, or None where run.max_minutes paused the run."""
    import torch

    from backbone.augment import BatchMixer
    from backbone.batches import EpochSampler
    from backbone.bf16 import training_precision
    from backbone.datasets import open_images
    from backbone.distill import build_teacher
    from backbone.loop import train_one_epoch
    from backbone.network import build_model
    from backbone.optim import make_average, make_optimizer
    from backbone.plan import make_plan
    from backbone.run_log import RunLog
    from backbone.run_state import is_scaled, open_fabric, resume_run, save_run, set_up
    from backbone.stopped_job import explain_stops

    started = time.monotonic()
    run, output_dir = config.run, Path(config.output_dir)
    images = open_images(config.data, is_train=True)
    held_out = open_images(config.data, is_train=False) if config.data.val_split else None
    if held_out and held_out.class_names != images.class_names:
        odd = sorted(set(held_out.class_names) ^ set(images.class_names))[:4]
        raise ValueError(
            f"training and validation images are of other classes (first: {', '.join(odd)}): see data.root"
        )
    output_dir.mkdir(parents=True, exist_ok=True)

    run.precision = training_precision(run.precision)
    fabric = open_fabric(run.precision, run.devices, run.num_nodes, strategy=run.strategy)
    torch.manual_seed(run.seed)
    model = build_model(config, images.num_classes)
    size_px, num_classes = model.dimensions.image_size_hw[0], model.dimensions.num_classes
    if images.num_classes > num_classes:
        raise ValueError(f"model.num_classes {num_classes} is below the {images.num_classes} of the data: leave it 0")
    teacher = None
    if config.distill.kind != "none":
        teacher = build_teacher(config.distill, config.augment, num_classes=num_classes, image_size=size_px)
        teacher.to(fabric.device)
    averaged = None
    if config.optim.ema_decay > 0:
        averaged = make_average(model, config.optim.ema_decay, warmup=config.optim.ema_warmup)
    optim = config.optim
    state = set_up(
        fabric,
        model,
        averaged,
        lambda model: make_optimizer(
            model,
            optim.name,
            learning_rate=optim.rate_per_512,
            weight_decay=optim.weight_decay,
            fused=not is_scaled(fabric),
        ),
    )
    sampler = EpochSampler(
        len(images),
        batch_size=run.batch_size,
        seed=run.seed,
        repeats=config.augment.repeats,
        accumulate=run.accumulate,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    if config.augment.mixes and run.batch_size // (fabric.world_size * run.accumulate) % 2:
        raise ValueError("Mixup and CutMix need an even number of images per process and pass: see run.batch_size")
    per_epoch = sampler.steps_per_epoch
    num_steps = per_epoch * run.epochs
    shared = {"num_steps": num_steps, "steps_per_epoch": per_epoch, "batch_size": run.batch_size, "seed": run.seed}
    shared["optimizer"] = optim.name
    is_resumed = resume_run(fabric, state, output_dir / CHECKPOINT_NAME, shared)
    explain_stops(output_dir / CHECKPOINT_NAME, fabric.global_rank)
    if fabric.is_global_zero:
        plan = make_plan(
            config,
            model.dimensions,
            num_images=len(images),
            steps_per_epoch=per_epoch,
            world_size=fabric.world_size,
            source_size_px=None if images.pixels is None else images.pixels.shape[1],
            teacher_size_px=None if teacher is None else teacher.trained_size,
        )
        log.info("%s\n%s from step %d on %s", plan, "resumed" if is_resumed else "starts", state.step, fabric.device)
    run_log = RunLog(output_dir, state.step) if fabric.is_global_zero else None
    fabric.barrier()
    loader = _train_loader(config, images, sampler, size_px, is_cuda=fabric.device.type == "cuda")
    mixer = BatchMixer(config.augment, num_classes)

    def on_step(report: StepReport) -> bool:
        is_over_time = False
        if run.max_minutes > 0:  # the main process's clock decides for all
            is_over_time = bool(fabric.broadcast(time.monotonic() - started > 60 * run.max_minutes))
        if run_log and (report.step % run.log_every == 0 or report.step in (1, num_steps)):
            run_log.add_step(report)
            _log_step(report, num_steps, run.batch_size)
        is_epoch_end = report.step % per_epoch == 0
        if (is_over_time or report.step % run.checkpoint_every == 0) and not is_epoch_end:
            save_run(fabric, state, output_dir / CHECKPOINT_NAME, shared)
        return not is_over_time

    scores: dict[str, Metrics] = {}
    while state.step < num_steps:
        epoch = state.step // per_epoch
        sampler.start_at(epoch, state.step % per_epoch)
        goes_on = train_one_epoch(
            fabric,
            state,
            loader,
            config,
            steps_per_epoch=per_epoch,
            mixer=mixer,
            teacher=teacher,
            on_step=on_step,
        )
        if state.step % per_epoch == 0:
            is_last = state.step == num_steps
            if held_out and not is_last and (epoch + 1) % run.evaluate_every == 0:
                scores = _evaluate(fabric, state, config, held_out, size_px, epoch + 1)
                if run_log:
                    run_log.add_metrics(state.step, epoch + 1, scores)
            save_run(fabric, state, output_dir / CHECKPOINT_NAME, shared)
        if not goes_on and state.step < num_steps:
            log.info("paused at step %d of %d: the same command goes on", state.step, num_steps)
            return None
    if held_out:
        scores = _evaluate(fabric, state, config, held_out, size_px, run.epochs)
        if run_log:
            run_log.add_metrics(state.step, run.epochs, scores)
    models = state.whole_models()  # by every process
    if fabric.is_global_zero:
        _write_models(models, config, images, scores, output_dir)
    fabric.barrier()
    return output_dir / MODEL_NAME


def _load(path: str, overrides: list[str]) -> ImageTrainConfig:
    """The configuration, whose data are there. ValueError or FileNotFoundError."""
    from backbone.config import ImageTrainConfig, load_config

    config = load_config(ImageTrainConfig, path, overrides)
    if not Path(config.data.root).is_dir():
        raise FileNotFoundError(f"no folder {config.data.root}: give data.root=DIR, where the data set lies")
    return config


def _train_loader(
    config: ImageTrainConfig, images: LabelledImages, sampler: EpochSampler, size_px: int, *, is_cuda: bool
) -> DataLoader:
    from torch.utils.data import DataLoader

    from backbone.augment import TrainTransform
    from backbone.batches import ImageDataset, collate

    transform = TrainTransform(config.augment, size_px)
    dataset = ImageDataset(images, transform, seed=config.run.seed, unreadable=config.data.unreadable)
    workers = config.data.num_workers
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
        pin_memory=is_cuda,
    )


def _evaluate(
    fabric: Fabric, state: RunState, config: ImageTrainConfig, held_out: LabelledImages, size_px: int, epoch: int
) -> dict[str, Metrics]:
    """Scores of the weights and of their average, each image once over all processes."""
    from torch.utils.data import DataLoader

    from backbone.augment import EvalTransform
    from backbone.batches import ImageDataset, ShareSampler, collate
    from backbone.loop import evaluate

    transform = EvalTransform(config.augment, size_px)
    loader = DataLoader(
        ImageDataset(held_out, transform, unreadable=config.data.unreadable),
        batch_size=config.run.batch_size // (fabric.world_size * config.run.accumulate),
        sampler=ShareSampler(len(held_out), rank=fabric.global_rank, world_size=fabric.world_size),
        num_workers=config.data.num_workers,
        collate_fn=collate,
        pin_memory=fabric.device.type == "cuda",
    )
    scores = {name: evaluate(model, loader, fabric=fabric) for name, model in state.whole_models().items()}
    if fabric.is_global_zero:
        for name, metrics in scores.items():
            log.info("epoch %d of %d, %s: %s", epoch, config.run.epochs, name, metrics)
    return scores


def _write_models(
    models: dict[str, nn.Module],
    config: ImageTrainConfig,
    images: LabelledImages,
    scores: dict[str, Metrics],
    output_dir: Path,
) -> None:
    """The finished weights, and their average, each in a file that says how it was made and how it scored."""
    from dataclasses import asdict

    from backbone.model_file import Classifier, ImageInput, save_classifier
    from backbone.run_log import summary

    settings = asdict(config)
    del settings["output_dir"], settings["data"]["root"]  # of this machine
    settings["model"]["init_from"] = Path(config.model.init_from).name
    settings["distill"]["weights"] = Path(config.distill.weights).name
    expected = ImageInput(tuple(config.augment.mean), tuple(config.augment.std), config.augment.eval_crop)
    for kind, model in models.items():
        file_name = {"weights": MODEL_NAME, "average": AVERAGE_NAME}[kind]
        score = summary(scores[kind]) if kind in scores else None
        record = {"date": time.strftime("%Y-%m-%d"), "kind": kind, "settings": settings, "validation": score}
        save_classifier(output_dir / file_name, Classifier(model, expected, images.class_names, record))
        log.info("wrote %s", output_dir / file_name)


def _log_step(report: StepReport, num_steps: int, batch_size: int) -> None:
    log.info(
        "step %d/%d  loss %.4f  rate %.3g  %.1f images/s  %d min left%s",
        report.step,
        num_steps,
        report.loss,
        report.learning_rate,
        report.images_per_second,
        (num_steps - report.step) * batch_size / report.images_per_second / 60,
        f"  {report.num_unreadable} images unreadable" if report.num_unreadable else "",
    )


if __name__ == "__main__":
    sys.exit(main())
