"""COCO average precision of detections, per class and overall, by pycocotools itself."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_codec
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from layoutdeit.engines.base import Detections
from layoutdeit.geometry import clip, xywh_to_xyxy, xyxy_to_xywh
from layoutdeit.labels import LABELS
from layoutdeit.outlines import check_polygons, run_lengths
from layoutdeit.postprocess import RULES, clean

# DeiT-B Mask R-CNN on PubLayNet's val split, box AP (DiT, arXiv:2203.02378, its table of PubLayNet).
PUBLISHED_BOX_AP = {"overall": 0.932, "text": 0.934, "title": 0.874, "list": 0.921, "table": 0.972, "figure": 0.957}


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


def load_truth(annotations_path: str | Path) -> COCO:
    """Annotations as pycocotools holds them; what COCO's evaluation needs and a file may lack is filled in.

    A missing iscrowd is 0, a missing area the box's, a missing or broken outline the box; null is missing. A row
    without a box goes, and a page that repeats an id. Categories are PubLayNet's. Annotations are numbered anew from 1:
    pycocotools takes equal ids for one region and a match with id 0 for none.
    """
    content = json.loads(Path(annotations_path).read_text(encoding="utf-8"))
    pages = {image["id"]: image for image in reversed(content["images"])}  # the first of each id, as in training
    size_of = {key: [image["height"], image["width"]] for key, image in pages.items()}
    rows = [row for row in content.get("annotations") or () if len(row.get("bbox") or ()) == 4]
    for number, row in enumerate(rows, start=1):
        size_hw = size_of.get(row["image_id"])
        row["id"] = number
        row["iscrowd"] = int(bool(row.get("iscrowd")))
        row["area"] = row["bbox"][2] * row["bbox"][3] if row.get("area") is None else row["area"]
        if not _is_outline(row.get("segmentation"), size_hw):
            row["segmentation"] = [_box_on_page(row["bbox"], size_hw or [0, 0])]
    categories = [{"id": label.id, "name": label.name} for label in LABELS]
    truth = COCO()
    truth.dataset = {**content, "images": list(pages.values()), "annotations": rows, "categories": categories}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        truth.createIndex()
    return truth


def match_detections(
    truth: COCO, results: Iterable[dict[str, Any]], *, iou_type: str = "bbox", image_ids: Sequence[int] | None = None
) -> COCOeval:
    """Match COCO result entries with the truth, by COCOeval for regions of all sizes and 100 detections a page.

    iou_type: "bbox" or "segm". image_ids: the pages that count; None: all. Entries are not changed.
    """
    entries = [dict(entry) for entry in results if iou_type == "bbox" or "segmentation" in entry]
    with contextlib.redirect_stdout(io.StringIO()):
        if entries:
            found = truth.loadRes(entries)
        else:  # loadRes refuses an empty list
            found = COCO()
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluator = COCOeval(truth, found, iou_type)
        params = evaluator.params
        params.catIds = [label.id for label in LABELS]
        params.areaRng, params.areaRngLbl, params.maxDets = params.areaRng[:1], params.areaRngLbl[:1], [100]
        if image_ids is not None:
            params.imgIds = sorted(image_ids)
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator


def metrics_of(evaluator: COCOeval) -> Metrics:
    """The numbers of an evaluation."""
    precision = evaluator.eval["precision"]  # (T, R, K, A, M): IoUs, recalls, classes, area ranges, max detections
    class_ids = list(evaluator.params.catIds)
    metrics = {"overall": _average(precision[:, :, :, 0, -1])}
    for label in LABELS:
        metrics[label.name] = _average(precision[:, :, [class_ids.index(label.id)], 0, -1])
    return metrics


def evaluate_detections(
    annotations_path: str | Path, results: Iterable[dict[str, Any]], *, iou_type: str = "bbox"
) -> Metrics:
    """AP of COCO result entries against all of an annotation file. iou_type: "bbox" or "segm"."""
    return metrics_of(match_detections(load_truth(annotations_path), results, iou_type=iou_type))


def clean_results(results: Iterable[dict[str, Any]], rules: Collection[str] = RULES) -> list[dict[str, Any]]:
    """The entries that a person would see: what those rules of postprocess.py leave of each page's, best first."""
    kept = []
    for _, group in itertools.groupby(results, key=lambda entry: entry["image_id"]):
        entries = list(group)
        boxes = xywh_to_xyxy([entry["bbox"] for entry in entries])
        labels, scores = [entry["category_id"] for entry in entries], [entry["score"] for entry in entries]
        order = clean(boxes, labels, scores, rules=rules)
        kept += [entries[index] for index in order]
    return kept


def metrics_to_dict(boxes: Metrics, masks: Metrics | None) -> dict[str, Any]:
    """The numbers as in metrics.json."""
    content: dict[str, Any] = {name: row.to_dict() for name, row in boxes.items()}
    if masks is not None:
        content["mask"] = {name: row.to_dict() for name, row in masks.items()}
    return content


def format_metrics(boxes: Metrics, masks: Metrics | None, *, published: bool = False) -> str:
    """A table for people: a row per class, AP AP50 AP75 of boxes and of masks, perhaps beside the published box AP."""
    heading = f"{'':8}{'AP':>8}{'AP50':>8}{'AP75':>8}"
    lines = [heading + (f"{'mask AP':>11}{'AP50':>8}{'AP75':>8}" if masks is not None else "")]
    lines[0] += f"{'published AP':>16}" if published else ""
    for name, row in boxes.items():
        line = f"{name:8}" + "".join(f"{_number(value):>8}" for value in (row.ap, row.ap50, row.ap75))
        if masks is not None:
            mask = masks[name]
            line += f"{_number(mask.ap):>11}{_number(mask.ap50):>8}{_number(mask.ap75):>8}"
        lines.append(line + (f"{PUBLISHED_BOX_AP[name]:>16.3f}" if published else ""))
    return "\n".join(lines)


def _is_outline(outline: Any, size_hw: list[int] | None) -> bool:
    """Whether pycocotools can work with it: of broken run lengths, or points far out, it may never be done."""
    if not outline:
        return False
    try:
        if not isinstance(outline, dict):
            check_polygons(outline, size_hw)
            return True
        run_lengths(outline["counts"], outline["size"])
    except (KeyError, TypeError, ValueError):
        return False
    return list(outline["size"]) == size_hw


def _box_on_page(box_xywh: list[float], size_hw: list[int]) -> list[float]:
    """The polygon of a box, cut to its page: pycocotools takes memory for what lies outside."""
    x0, y0, x1, y1 = clip(xywh_to_xyxy([box_xywh]), size_hw[1], size_hw[0])[0].tolist()
    return [x0, y0, x1, y0, x1, y1, x0, y1]


def _average(precision: np.ndarray) -> AveragePrecision:
    """precision (T, R, K): -1 marks a class without annotations."""

    def mean(values: np.ndarray) -> float | None:
        values = values[values > -1]
        return float(values.mean()) if values.size else None

    return AveragePrecision(mean(precision), mean(precision[0]), mean(precision[5]))  # IoU .50 and .75


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
