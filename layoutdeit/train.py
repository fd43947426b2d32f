"""Train a detector: `python -m layoutdeit.train configs/detector/NAME.yaml data.root=DIR output_dir=DIR [key=value]`.

The same command again goes on from the last checkpoint of output_dir. Under torchrun every process joins the run.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from backbone.run_state import RunState
    from layoutdeit.config import TrainConfig
    from layoutdeit.engines.base import Detector
    from layoutdeit.loop import StepReport

log = logging.getLogger(__name__)
CHECKPOINT_NAME = "checkpoint.pt"
MODEL_NAME = "model.safetensors"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, train, and return the exit status: 0 done or paused, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.train", description=__doc__.splitlines()[0])
    parser.add_argument("config", help="a file of configs/detector/")
    parser.add_argument("overrides", nargs="*", help="key=value, for instance data.root=/data/publaynet")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    from backbone.config import load_config
    from layoutdeit.config import TrainConfig

    try:
        config = load_config(TrainConfig, options.config, options.overrides)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        train(config)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train(config: TrainConfig) -> Path | None:
    """Train to the end and return the finished model's path, or None where max_minutes paused the run."""
    import torch
    from torch.utils.data import DataLoader

    from backbone.optim import make_average, parameter_groups
    from backbone.run_state import RunState, open_fabric, resume_run, save_run
    from layoutdeit.engines import build_detector
    from layoutdeit.loop import train_steps
    from layoutdeit.publaynet import PageDataset, RunSampler, read_annotations

    started = time.monotonic()
    root, output_dir = Path(config.data.root), Path(config.output_dir)
    annotations = read_annotations(root / f"{config.data.train_split}.json")
    dataset = PageDataset(annotations, root / config.data.train_split, config.data, seed=config.seed)
    output_dir.mkdir(parents=True, exist_ok=True)

    fabric = open_fabric(config.precision, config.devices)
    torch.manual_seed(config.seed)
    detector = build_detector(config.detector)
    earlier_record = _initialise(detector, config.init_from)
    averaged = make_average(detector, config.optim.ema_decay).to(fabric.device) if config.optim.ema_decay > 0 else None
    optimizer = torch.optim.AdamW(
        parameter_groups(detector, weight_decay=config.optim.weight_decay), lr=config.optim.learning_rate, fused=True
    )
    state = RunState(*fabric.setup(detector, optimizer), averaged)
    plan = {"num_steps": config.num_steps, "batch_size": config.batch_size, "seed": config.seed, "pages": len(dataset)}
    resume_run(fabric, state, output_dir / CHECKPOINT_NAME, plan)
    sampler = RunSampler(
        len(dataset),
        batch_size=config.batch_size,
        first_step=state.step,
        num_steps=config.num_steps,
        seed=config.seed,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    log.info(
        "%d pages (%d boxes left out), step %d of %d, batch %d over %d processes on %s",
        len(dataset),
        annotations.num_dropped,
        state.step,
        config.num_steps,
        config.batch_size,
        fabric.world_size,
        fabric.device,
    )
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=config.data.num_workers,
        collate_fn=list,
        persistent_workers=config.data.num_workers > 0,
    )

    def on_step(report: StepReport) -> bool:
        is_over_time = config.max_minutes > 0 and bool(  # the main process's clock decides for all
            fabric.broadcast(time.monotonic() - started > 60 * config.max_minutes)
        )
        if report.step % config.log_every == 0 or report.step == 1:
            _log(fabric, report, config, output_dir)
        if is_over_time or report.step % config.checkpoint_every == 0 or report.step == config.num_steps:
            save_run(fabric, state, output_dir / CHECKPOINT_NAME, plan)
        if config.eval_every and report.step % config.eval_every == 0:
            _evaluate(fabric, state, config, output_dir)
        return not is_over_time

    train_steps(fabric, state, loader, config, on_step=on_step)
    if state.step < config.num_steps:
        log.info("paused at step %d of %d: the same command goes on", state.step, config.num_steps)
        return None
    model_path = output_dir / MODEL_NAME
    metrics = _evaluate(fabric, state, config, output_dir)
    if fabric.is_global_zero:
        from layoutdeit.weights import save_model

        save_model(
            model_path, state.final_model().state_dict(), config.detector, _record(config, metrics, earlier_record)
        )
        log.info("wrote %s", model_path)
    fabric.barrier()
    return model_path


def _initialise(detector: Detector, init_from: str) -> dict[str, Any] | None:
    """Fill the detector from a model file of ours, or its backbone from any checkpoint; say what was used.

    Return the training record of a model of ours: what it has seen is part of what the new one has seen.
    """
    if not init_from:
        return None
    from backbone.published import load_into
    from layoutdeit.weights import is_model_file, read_model_file

    if is_model_file(init_from):
        _, record, state_dict = read_model_file(init_from)
        detector.load_state_dict(state_dict)
        log.info("all weights from %s", init_from)
        return record
    report = load_into(detector.pyramid.bottom_up, init_from)
    log.info("backbone from %s\n%s", init_from, report)
    return None


def _log(fabric: Fabric, report: StepReport, config: TrainConfig, output_dir: Path) -> None:
    """One line for people and one row in log.csv, from the main process."""
    if not fabric.is_global_zero:
        return
    left_s = (config.num_steps - report.step) * config.batch_size / report.pages_per_second
    losses = " ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
    log.info(
        "step %d/%d  loss %.3f  %s  rate %.2e  %.2f pages/s  %d min left",
        report.step,
        config.num_steps,
        sum(report.losses.values()),
        losses,
        report.learning_rate,
        report.pages_per_second,
        left_s / 60,
    )
    path = output_dir / "log.csv"
    is_new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", "learning_rate", "pages_per_second", *report.losses])
        writer.writerow([report.step, report.learning_rate, report.pages_per_second, *report.losses.values()])


def _evaluate(fabric: Fabric, state: RunState, config: TrainConfig, output_dir: Path) -> dict[str, Any] | None:
    """AP on the validation split, from the main process; None where the configuration names no split."""
    from layoutdeit.coco_eval import evaluate_detections, format_metrics, metrics_to_dict
    from layoutdeit.loop import collect_results
    from layoutdeit.publaynet import PageDataset, read_annotations

    metrics = None
    if config.data.val_split and fabric.is_global_zero:
        root = Path(config.data.root)
        path = root / f"{config.data.val_split}.json"
        dataset = PageDataset(read_annotations(path), root / config.data.val_split, None)
        with fabric.autocast():
            results = collect_results(state.final_model(), dataset, device=fabric.device)
        boxes = evaluate_detections(path, results)
        metrics = metrics_to_dict(boxes, None)
        log.info(
            "step %d, %d pages of %s\n%s", state.step, len(dataset), config.data.val_split, format_metrics(boxes, None)
        )
        with open(output_dir / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.step, **metrics}) + "\n")
    fabric.barrier()
    return metrics


def _record(
    config: TrainConfig, metrics: dict[str, Any] | None, earlier_record: dict[str, Any] | None
) -> dict[str, Any]:
    """How the model was made, for its file."""
    import torch

    corpus_path = Path(config.data.root) / "corpus.json"
    corpus = json.loads(corpus_path.read_text(encoding="utf-8")) if corpus_path.is_file() else None
    settings = asdict(config)
    del settings["detector"], settings["output_dir"], settings["data"]["root"]  # kept beside it, or of this machine
    return {
        "date": time.strftime("%Y-%m-%d"),
        "pages_seen": config.num_steps * config.batch_size,
        "settings": settings,
        "corpus": corpus,
        "validation": metrics,
        "started_from": earlier_record,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}",
    }


if __name__ == "__main__":
    sys.exit(main())
