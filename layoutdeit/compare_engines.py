"""One model file in two engines on the same pages: how far apart are their answers?

    python -m layoutdeit.compare_engines [NAME|FILE] --images DIR [--limit 50] [--no-fit] [--precision bf16]

A user's own proof that a file gives the same in torchvision's and detectron2's engine; docs/detectron2.md has what it
printed for ours. With --precision bf16 the first rounds its products, and what counts is what people see.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layoutdeit.geometry import iou

if TYPE_CHECKING:
    from layoutdeit.engines.base import Detections

BOX_TOLERANCE_PX = 0.5
SCORE_TOLERANCE = 1e-3
SEEN_SCORE = 0.3  # detections above it are those that people may see
SEEN_IOU = 0.95
SEEN_TOLERANCE = 0.02  # of their scores
PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Agreement:
    """Two engines over some pages. Differences are the largest of matched detections; pixels of the given pictures."""

    pages: int
    detections: tuple[int, int]
    agreeing: int  # of the first engine's: one of the second's has its class, its box and its score
    seen: int  # of the first engine's: scores above SEEN_SCORE
    seen_alike: int  # of these: one of the second's is the same to the eye, by SEEN_IOU and SEEN_TOLERANCE
    box_px: float
    score: float
    mask_iou: float | None  # lowest of agreeing detections; None without masks
    seconds_per_page: tuple[float, float]

    @property
    def share(self) -> float:
        """Of all detections of both engines, those that agree."""
        return 2 * self.agreeing / max(sum(self.detections), 1)

    @property
    def seen_share(self) -> float:
        """Of the first engine's detections that people may see, those that are the same to the eye."""
        return self.seen_alike / max(self.seen, 1)


def compare_detections(first: Detections, second: Detections) -> list[tuple[int, int]]:
    """Pairs (index in first, index in second) of one class, each index once, best overlap first, IoU above one half."""
    overlaps = iou(first.boxes.numpy(), second.boxes.numpy())
    overlaps = overlaps * (first.labels.numpy()[:, None] == second.labels.numpy()[None, :])
    pairs = []
    while overlaps.size and overlaps.max() > 0.5:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        pairs.append((int(row), int(column)))
        overlaps[row], overlaps[:, column] = 0, 0
    return pairs


def compare_engines(
    model: str | None,
    pictures: list[Path],
    *,
    engines: tuple[str, str],
    masks: bool,
    fit_to_ink: bool = True,
    precision: str = "fp32",
) -> Agreement:
    """Run a model over pictures in both engines. ValueError, OSError, ImportError as load_model's.

    precision is the first engine's; the second computes in float32.
    """
    import torch
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    from layoutdeit.weights import load_model

    detectors = [
        load_model(model, engine=engine, precision=wanted).detector
        for engine, wanted in zip(engines, (precision, "fp32"), strict=True)
    ]
    for detector in detectors:
        detector.config.fit_to_ink &= fit_to_ink
    masks = masks and detectors[0].config.heads.mask_layers > 0
    counts, seconds = [0, 0], [0.0, 0.0]
    agreeing, seen, seen_alike, box_px, score, mask_iou = 0, 0, 0, 0.0, 0.0, 1.0
    for path in pictures:
        with Image.open(path) as picture:
            image = pil_to_tensor(picture.convert("RGB")).float() / 255
        found = []
        for index, detector in enumerate(detectors):
            started = time.perf_counter()
            found.append(detector.predict([image], masks=masks)[0].cpu())
            seconds[index] += time.perf_counter() - started
            counts[index] += len(found[index].boxes)
        one, other = found
        seen += int((one.scores > SEEN_SCORE).sum())
        overlaps = iou(one.boxes.numpy(), other.boxes.numpy())
        for row, column in compare_detections(one, other):
            box = float((one.boxes[row] - other.boxes[column]).abs().max())
            difference = float((one.scores[row] - other.scores[column]).abs())
            box_px, score = max(box_px, box), max(score, difference)
            if one.scores[row] > SEEN_SCORE and overlaps[row, column] >= SEEN_IOU and difference <= SEEN_TOLERANCE:
                seen_alike += 1
            if box <= BOX_TOLERANCE_PX and difference <= SCORE_TOLERANCE:
                agreeing += 1
                if masks:
                    both = (one.masks[row] & other.masks[column]).sum()
                    either = (one.masks[row] | other.masks[column]).sum().clamp(min=1)
                    mask_iou = min(mask_iou, float(both / either)) if torch.any(one.masks[row]) else mask_iou
    num_pages = max(len(pictures), 1)
    return Agreement(
        pages=len(pictures),
        detections=(counts[0], counts[1]),
        agreeing=agreeing,
        seen=seen,
        seen_alike=seen_alike,
        box_px=box_px,
        score=score,
        mask_iou=mask_iou if masks else None,
        seconds_per_page=(seconds[0] / num_pages, seconds[1] / num_pages),
    )


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, compare, print. 1: it could not be done, or too few agree.

    Enough are 99.5 % of all; in bf16, 99 % of those that people may see.
    """
    options = _parser().parse_args(arguments)
    pictures = sorted(path for path in options.images.rglob("*") if path.suffix.lower() in PICTURES)[: options.limit]
    if not pictures:
        print(f"error: no pictures in {options.images}: expected {', '.join(PICTURES)}", file=sys.stderr)
        return 1
    engines = ("torchvision", "detectron2")
    try:
        result = compare_engines(
            options.model,
            pictures,
            engines=engines,
            masks=not options.no_masks,
            fit_to_ink=not options.no_fit,
            precision=options.precision,
        )
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    counted = ", ".join(f"{count} in {engine}" for engine, count in zip(engines, result.detections, strict=True))
    print(f"{result.pages} pages, detections: {counted}")
    share = 100 * result.share
    print(f"{share:.2f} % agree: one class, boxes within {BOX_TOLERANCE_PX} px, scores within {SCORE_TOLERANCE}")
    print(
        f"{100 * result.seen_share:.2f} % of {result.seen} above a score of {SEEN_SCORE}: IoU {SEEN_IOU} or more, "
        f"scores within {SEEN_TOLERANCE}"
    )
    print(f"largest difference of matched ones: {result.box_px:.2g} px, score {result.score:.2g}")
    if result.mask_iou is not None:
        print(f"lowest IoU of agreeing masks: {result.mask_iou:.4f}")
    print("seconds a page: " + ", ".join(f"{e} {s:.2f}" for e, s in zip(engines, result.seconds_per_page, strict=True)))
    if options.output:
        options.output.write_text(json.dumps({**asdict(result), "share": result.share}, indent=1), encoding="utf-8")
    is_enough = result.seen_share >= 0.99 if options.precision == "bf16" else result.share >= 0.995
    return 0 if is_enough else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.compare_engines", description=__doc__)
    parser.add_argument("model", nargs="?", help="a name or a model file; default: the shipped one")
    parser.add_argument("--images", type=Path, required=True, help="folder of page pictures")
    parser.add_argument("--limit", type=int, default=None, help="only the first so many pictures")
    parser.add_argument("--no-fit", action="store_true", help="the network's own boxes, not moved to the ink")
    parser.add_argument("--no-masks", action="store_true", help="boxes only")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the first [%(default)s]")
    parser.add_argument("--output", type=Path, help="write the numbers as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
