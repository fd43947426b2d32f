"""COCO average precision of detections, per class and overall, by pycocotools itself."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from layoutdeit.engines.base import Detections
from layoutdeit.geometry import xyxy_to_xywh
from layoutdeit.labels import LABELS


@dataclass(frozen=True)
class AveragePrecision:
    """AP over IoU .50:.95, at .50 and at .75, each 0..1, or None where the annotations hold no such region."""

    ap: float | None
    ap50: float | None
    ap75: float | None

    def to_dict(self) -> dict[str, float | None]:
        """The keys of metrics.json."""
        return {"AP": self.ap, "AP50": self.ap50, "AP75": self.ap75}


Metrics = dict[str, AveragePrecision]  # "overall" and the five class names


def detections_to_coco(detections: Detections, image_id: int) -> list[dict[str, Any]]:
    """One image's detections as COCO result entries, with an RLE segmentation where there are masks."""
    boxes = xyxy_to_xywh(detections.boxes.cpu().numpy())
    entries = [
        {"image_id": image_id, "category_id": int(label), "bbox": box.tolist(), "score": float(score)}
        for box, label, score in zip(boxes, detections.labels, detections.scores, strict=True)
    ]
    if detections.masks is not None:
        for entry, mask in zip(entries, detections.masks.cpu().numpy(), strict=True):
            rle = mask_codec.encode(np.asfortranarray(mask.astype(np.uint8)))
            entry["segmentation"] = {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
    return entries


def evaluate_detections(
    annotations_path: str | Path, results: Iterable[dict[str, Any]], *, iou_type: str = "bbox"
) -> Metrics:
    """AP of COCO result entries against an annotation file. iou_type: "bbox" or "segm"."""
    results = list(results)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        truth = COCO(str(annotations_path))
        if iou_type == "segm":
            results = [entry for entry in results if "segmentation" in entry]
        found = truth.loadRes(results) if results else None
        if found is None:
            return {name: _no_detections(truth, label) for name, label in _rows()}
        evaluator = COCOeval(truth, found, iou_type)
        evaluator.evaluate()
        evaluator.accumulate()
    precision = evaluator.eval["precision"]  # (T, R, K, A, M): IoUs, recalls, classes, area ranges, max detections
    class_ids = list(evaluator.params.catIds)
    metrics = {"overall": _average(precision[:, :, :, 0, -1])}
    for label in LABELS:
        columns = [class_ids.index(label.id)] if label.id in class_ids else []
        metrics[label.name] = _average(precision[:, :, columns, 0, -1])
    return metrics


def metrics_to_dict(boxes: Metrics, masks: Metrics | None) -> dict[str, Any]:
    """The content of metrics.json."""
    content: dict[str, Any] = {name: row.to_dict() for name, row in boxes.items()}
    if masks is not None:
        content["mask"] = {name: row.to_dict() for name, row in masks.items()}
    return content


def write_metrics(path: str | Path, boxes: Metrics, masks: Metrics | None) -> None:
    """Write metrics.json."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(metrics_to_dict(boxes, masks), indent=2) + "\n", encoding="utf-8")


def format_metrics(boxes: Metrics, masks: Metrics | None) -> str:
    """A table for people: a row per class, AP AP50 AP75 of boxes and of masks."""
    heading = f"{'':8}{'AP':>8}{'AP50':>8}{'AP75':>8}"
    lines = [heading if masks is None else heading + f"{'mask AP':>11}{'AP50':>8}{'AP75':>8}"]
    for name, row in boxes.items():
        cells = [row.ap, row.ap50, row.ap75]
        line = f"{name:8}" + "".join(f"{_number(value):>8}" for value in cells)
        if masks is not None:
            mask = masks[name]
            line += f"{_number(mask.ap):>11}{_number(mask.ap50):>8}{_number(mask.ap75):>8}"
        lines.append(line)
    return "\n".join(lines)


def _rows() -> list[tuple[str, int | None]]:
    return [("overall", None), *((label.name, label.id) for label in LABELS)]


def _no_detections(truth: COCO, label_id: int | None) -> AveragePrecision:
    exists = bool(truth.getAnnIds(catIds=[] if label_id is None else [label_id]))
    return AveragePrecision(0.0, 0.0, 0.0) if exists else AveragePrecision(None, None, None)


def _average(precision: np.ndarray) -> AveragePrecision:
    """precision (T, R, K): -1 marks a class without annotations."""

    def mean(values: np.ndarray) -> float | None:
        values = values[values > -1]
        return float(values.mean()) if values.size else None

    return AveragePrecision(mean(precision), mean(precision[0]), mean(precision[5]))  # IoU .50 and .75


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
