"""What each clean-up rule of postprocess.py costs and buys: AP, and how many shown boxes lie over one another.

`python -m layoutdeit.evaluate --ablate` prints it, from the detections of one run or of an earlier one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layoutdeit.coco_eval import clean_results, match_detections, metrics_of
from layoutdeit.geometry import iou, xywh_to_xyxy
from layoutdeit.postprocess import MAX_IOU, RULES

SHOWN_SCORE = 0.5  # what people see by default
Entries = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class AblationRow:
    """One setting of the rules: box AP over all classes, and the share of shown boxes that overlap another too much."""

    name: str
    ap: float | None
    overlap_rate: float


def ablate(truth: Any, entries: Entries, image_ids: Sequence[int]) -> list[AblationRow]:
    """Raw, all rules, and all but each one. truth: of load_truth; entries: COCO results of the pages image_ids."""
    settings = [("raw", ()), ("all rules", RULES)]
    settings += [(f"without {rule}", tuple(other for other in RULES if other != rule)) for rule in RULES]
    rows = []
    for name, rules in settings:
        kept = list(entries) if name == "raw" else clean_results(entries, rules)
        metrics = metrics_of(match_detections(truth, kept, image_ids=image_ids))
        rows.append(AblationRow(name, metrics["overall"].ap, overlap_rate(kept)))
    return rows


def overlap_rate(entries: Iterable[dict[str, Any]], *, min_score: float = SHOWN_SCORE) -> float:
    """Share of the boxes of at least `min_score` that overlap another such box of their page by more than MAX_IOU."""
    num_boxes = num_overlapping = 0
    for _, group in itertools.groupby(entries, key=lambda entry: entry["image_id"]):
        shown = [entry["bbox"] for entry in group if entry["score"] >= min_score]
        if not shown:
            continue
        overlaps = iou(xywh_to_xyxy(shown), xywh_to_xyxy(shown))
        np.fill_diagonal(overlaps, 0)
        num_boxes += len(shown)
        num_overlapping += int((overlaps > MAX_IOU).any(axis=1).sum())
    return num_overlapping / max(num_boxes, 1)


def format_ablation(rows: Sequence[AblationRow]) -> str:
    """A table for people; AP beside its distance to the raw detections'."""
    raw = rows[0].ap
    lines = [f"{'clean-up rules':20}{'box AP':>8}{'to raw':>9}{'overlapping, of shown':>24}"]
    for row in rows:
        ap = "-" if row.ap is None else f"{row.ap:.4f}"
        change = "" if row.ap is None or raw is None else f"{row.ap - raw:+.4f}"
        lines.append(f"{row.name:20}{ap:>8}{change:>9}{100 * row.overlap_rate:>22.2f} %")
    return "\n".join(lines)
