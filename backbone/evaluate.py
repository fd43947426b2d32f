"""Evaluate a classifier: `python -m backbone.evaluate NAME|FILE --data DIR [--head both] [--output metrics.json]`.

Prints top-1, top-5 and loss over every image once. The numbers are the same bits for any number of processes, with
--devices or under torchrun: whole batches are dealt out, so that every image meets the same others everywhere.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.config import PRECISIONS
from backbone.usage import UsageError, at_least, check_writable, checking_usage, report, report_interruption

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from torch import Tensor

    from backbone.batches import ImageBatch
    from backbone.config import ImageDataConfig
    from backbone.datasets import LabelledImages
    from backbone.model_file import Classifier
    from backbone.real_labels import RealLabels
    from backbone.score_report import Scores

PROGRESS_SECONDS = 10.0
HEADS = ("class", "distillation", "both")  # heads.py, which loads PyTorch


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, evaluate, and return the exit status: 0 done, 1 failed, 2 usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)

    from backbone.config import ImageDataConfig

    try:
        with checking_usage():
            data = ImageDataConfig(
                root=options.data,
                format=options.data_format,
                val_split=options.split,
                train_split=options.train_split,
                images_dir=options.images_dir,
                category=options.category,
                num_workers=options.workers,
            )
            for path in filter(None, (options.output, options.per_class)):
                check_writable(path)
        _run(options, data)
    except KeyboardInterrupt:
        return report_interruption()
    except (ValueError, OSError, ImportError) as error:
        return report(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backbone.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a model file of backbone.train, a published checkpoint, or a published name")
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument("--data-format", default="folder", help="as data.format: folder, cifar10, cifar100, list, ...")
    parser.add_argument("--split", default="val", help="folder or label file in DIR (default: val)")
    parser.add_argument("--train-split", default="train", help="list, inat: the file whose classes count")
    parser.add_argument("--images-dir", default="", help="list: folder in DIR that paths start from")
    parser.add_argument("--category", default="name", help="inat: name, genus, family, ...")
    parser.add_argument(
        "--head", default="both", choices=HEADS, help="of a distilled model: class, distillation or both (default)"
    )
    parser.add_argument("--image-size", type=at_least(1), help="px (default: the model's own)")
    parser.add_argument("--crop-ratio", type=_ratio, help="of the short side (default: the file's own, or .875)")
    parser.add_argument("--real", type=Path, metavar="JSON", help="ImageNet-ReaL labels: scored besides")
    parser.add_argument("--per-class", type=Path, metavar="CSV", help="write a row per class")
    parser.add_argument("--output", type=Path, metavar="JSON", help="write the numbers")
    parser.add_argument("--batch-size", type=at_least(1), default=64, help="images per pass (default: 64)")
    workers = min(4, os.cpu_count() or 1)
    parser.add_argument(
        "--workers", type=at_least(0), default=workers, help="loader processes per process [%(default)s]"
    )
    parser.add_argument("--precision", default="32-true", choices=PRECISIONS, help="32-true, bf16-mixed or 16-mixed")
    parser.add_argument("--devices", type=at_least(1), default=1, help="processes, one per GPU where there are GPUs")
    return parser


def open_model(name_or_path: str) -> Classifier:
    """A classifier of ours, or one that published.py knows by name or can read, its record the report on its keys.

    FileNotFoundError or ValueError say what was expected; ConnectionError where a named one cannot be fetched.
    """
    from backbone.deit import IMAGENET_MEAN, IMAGENET_STD
    from backbone.model_file import Classifier, ImageInput, is_classifier, load_classifier, read_metadata
    from backbone.published import PUBLISHED, load_published, pixel_statistics

    path = Path(name_or_path)
    if name_or_path not in PUBLISHED and not path.exists():
        raise FileNotFoundError(f"no model at {path}: give a file, or one of the names {', '.join(PUBLISHED)}")
    if name_or_path not in PUBLISHED and path.is_file() and is_classifier(read_metadata(path)):
        return load_classifier(path)
    model, report = load_published(name_or_path)
    mean, std = pixel_statistics(name_or_path) or (IMAGENET_MEAN, IMAGENET_STD)
    return Classifier(model, ImageInput(mean, std), (), {"keys": str(report)})


def with_labels_of(classifier: Classifier, images: LabelledImages) -> LabelledImages:
    """The images with the model's class indices: matched by class name, by index where one side has no names.

    ValueError where neither fits, which would score every image against the wrong class.
    """
    from dataclasses import replace

    import numpy as np

    num_classes, names = classifier.dimensions.num_classes, classifier.class_names
    if num_classes == 0:
        raise ValueError("the model has no head: only a classifier can be evaluated")
    index_of = {name: index for index, name in enumerate(names)}
    if index_of and index_of.keys() >= set(images.class_names):
        indices = np.array([index_of[name] for name in images.class_names], dtype=np.int64)
        unnamed = range(len(names), num_classes)  # of a model for more classes than its training data had
        shown = names + tuple(f"class {index}" for index in unnamed)
        return replace(images, labels=indices[images.labels], class_names=shown)
    is_named = bool(names) and not _are_numbers(names) and not _are_numbers(images.class_names)
    if images.num_classes != num_classes:
        raise ValueError(f"the data set has {images.num_classes} classes, the model {num_classes}: not the same labels")
    if is_named:
        odd = sorted(set(images.class_names) - index_of.keys())[:4]
        raise ValueError(f"the model was trained on other classes: it does not know {', '.join(odd)}")
    return images


def evaluate_images(
    classifier: Classifier,
    images: LabelledImages,
    *,
    fabric: Fabric,
    size_px: int,
    crop_ratio: float,
    batch_size: int = 64,
    num_workers: int = 0,
    real: RealLabels | None = None,
) -> Scores:
    """Score a classifier on every image once over all processes of `fabric`, each of which gets the same scores back.

    batch_size counts images of one process. Unreadable images are logged and left out; ValueError where all are.
    """
    from torch.utils.data import DataLoader

    from backbone.augment import EvalTransform
    from backbone.batches import ImageDataset, collate
    from backbone.config import AugmentConfig
    from backbone.loop import evaluate
    from backbone.metrics import Tally
    from backbone.score_report import Scores

    expected = classifier.input
    transform = EvalTransform(AugmentConfig(mean=expected.mean, std=expected.std, eval_crop=crop_ratio), size_px)
    loader = DataLoader(
        ImageDataset(images, transform),
        batch_sampler=_share(len(images), batch_size, fabric.global_rank, fabric.world_size),
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=fabric.device.type == "cuda",
    )
    tally = Tally(classifier.dimensions.num_classes, fabric.device)  # of ReaL's label sets
    num_done, last_shown = 0, time.monotonic()

    def on_batch(batch: ImageBatch, logits: Tensor) -> None:
        nonlocal num_done, last_shown
        if real is not None:
            tally.update(logits, real.is_label(batch.names))
        num_done += len(batch.labels)
        if fabric.is_global_zero and time.monotonic() - last_shown > PROGRESS_SECONDS:
            last_shown = time.monotonic()
            print(f"about {min(num_done * fabric.world_size, len(images))}/{len(images)} images", file=sys.stderr)

    plain = evaluate(classifier.model.to(fabric.device), loader, fabric=fabric, on_batch=on_batch)
    if not plain.num_images:
        raise ValueError(f"none of the {len(images)} images can be read, the first is {images.name(0)}")
    return Scores(plain, tally.metrics(fabric) if real else None, len(images) - plain.num_images)


def _run(options: argparse.Namespace, data: ImageDataConfig) -> None:
    """Check everything that can be checked, then start the processes, score, and let the first one report."""
    from dataclasses import replace

    import torch

    from backbone.datasets import open_images
    from backbone.heads import with_head
    from backbone.real_labels import read_real_labels
    from backbone.run_state import open_fabric
    from backbone.score_report import scores_in_words, write_per_class, write_scores

    if torch.cuda.is_available() and options.devices > torch.cuda.device_count():
        raise UsageError(f"--devices {options.devices}, but this machine has {torch.cuda.device_count()} GPUs")
    with checking_usage(FileNotFoundError):  # the data before the model, which may have to be fetched
        images = open_images(data, is_train=options.split == options.train_split)
        if options.real:  # the number of classes is the model's
            read_real_labels(options.real, sys.maxsize).check_names(map(images.name, range(len(images))))
        classifier = open_model(options.model)
    classifier = replace(classifier, model=with_head(classifier.model, options.head))
    dimensions = classifier.dimensions
    size_px = options.image_size or dimensions.image_size_hw[0]
    patch_size = getattr(dimensions, "patch_size", 1)
    if size_px % patch_size or (not options.image_size and len(set(dimensions.image_size_hw)) > 1):
        raise ValueError(f"give --image-size as a multiple of the patch size {patch_size}, got {size_px}")
    crop_ratio = options.crop_ratio or classifier.input.eval_crop
    images = with_labels_of(classifier, images)
    real = read_real_labels(options.real, dimensions.num_classes) if options.real else None

    fabric = open_fabric(options.precision, options.devices)
    if fabric.is_global_zero and "keys" in classifier.record:
        print(f"weights of {options.model}\n{classifier.record['keys']}", file=sys.stderr)
        print(f"pixels less {classifier.input.mean}, over {classifier.input.std}", file=sys.stderr)
    started = time.perf_counter()
    scores = evaluate_images(
        classifier,
        images,
        fabric=fabric,
        size_px=size_px,
        crop_ratio=crop_ratio,
        batch_size=options.batch_size,
        num_workers=options.workers,
        real=real,
    )
    if not fabric.is_global_zero:
        return
    rate = scores.plain.num_images / (time.perf_counter() - started)
    print(
        f"{Path(options.model).name} on {options.split}: {size_px} px, crop ratio {crop_ratio:g}, {options.precision}, "
        + (f"{options.head} head{'s' * (options.head == 'both')}, " if dimensions.distilled else "")
        + f"{fabric.world_size} x {fabric.device.type}, {rate:.1f} images/s"
    )
    print(scores_in_words(scores, images.class_names))
    if options.per_class:
        write_per_class(options.per_class, scores.plain, images.class_names)
    if options.output:
        conditions = {
            "model": Path(options.model).name,
            "data": {"format": data.format, "split": options.split},
            "head": options.head,
            "image_size": size_px,
            "crop_ratio": crop_ratio,
            "precision": options.precision,
        }
        write_scores(options.output, scores, conditions)


def _share(num_images: int, batch_size: int, rank: int, world_size: int) -> list[range]:
    """The batches of a process, image indices: every world_size-th of those that a single process would make."""
    starts = range(rank * batch_size, num_images, world_size * batch_size)
    return [range(start, min(start + batch_size, num_images)) for start in starts]


def _are_numbers(names: tuple[str, ...]) -> bool:
    return all(name.isdecimal() for name in names)


def _ratio(text: str) -> float:
    number = float(text)
    if not 0.1 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a share of the short side from 0.1 to 1, got {number:g}")
    return number


if __name__ == "__main__":
    sys.exit(main())
