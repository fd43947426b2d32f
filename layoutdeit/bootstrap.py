"""How far AP would move on other pages: intervals by resampling pages, from the matches of one evaluation.

Matching detections to regions does not depend on other pages, so a resample only counts each page's matches anew.
Bootstrap percentiles: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layoutdeit.labels import LABELS

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Where CONFIDENCE of the resamples' APs lie."""

    low: float
    high: float


@dataclass(frozen=True)
class ClassMatches:
    """One class's detections on all pages, best first, and how many regions each page has.

    pages (D,) index of the page, is_right and is_wrong (T, D) bool at each IoU threshold (neither: it does not count),
    num_regions (P,).
    """

    pages: np.ndarray
    is_right: np.ndarray
    is_wrong: np.ndarray
    num_regions: np.ndarray


def ap_intervals(evaluator: COCOeval, *, num_resamples: int, seed: int = 0) -> dict[str, Interval | None]:
    """Intervals of AP for "overall" and each class, from as many pages drawn with replacement, num_resamples times.

    None for a class without regions.
    """
    draws = _resampled(evaluator, num_resamples, seed)
    return {name: _interval(values[~np.isnan(values)]) for name, values in draws.items()}


def ap_gain_intervals(
    evaluator: COCOeval, baseline: COCOeval, *, num_resamples: int, seed: int = 0
) -> dict[str, Interval | None]:
    """The same of AP minus the AP of other detections on the same pages, each resample having the same pages of both.

    ValueError where the pages are others.
    """
    if list(evaluator.params.imgIds) != list(baseline.params.imgIds):
        raise ValueError("detections on different pages cannot be compared page by page")
    draws, others = (_resampled(each, num_resamples, seed) for each in (evaluator, baseline))
    gains = {name: values - others[name] for name, values in draws.items()}
    return {name: _interval(values[~np.isnan(values)]) for name, values in gains.items()}


def _resampled(evaluator: COCOeval, num_resamples: int, seed: int) -> dict[str, np.ndarray]:
    """AP of each resample, "overall" and by class, (num_resamples,) each; NaN where it has no region."""
    classes = class_matches(evaluator)
    num_pages = len(evaluator.params.imgIds)
    rng = np.random.default_rng(seed)
    draws = np.full((num_resamples, len(classes)), np.nan)
    for draw in draws:
        weights = np.bincount(rng.integers(num_pages, size=num_pages), minlength=num_pages) if num_pages else []
        draw[:] = [average_precision(matches, weights, evaluator.params.recThrs) for matches in classes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of classes that a resample has none of
        columns = {"overall": np.nanmean(draws, axis=1)}
    return columns | {label.name: column for label, column in zip(LABELS, draws.T, strict=True)}


def class_matches(evaluator: COCOeval) -> list[ClassMatches]:
    """The matches of an evaluation (coco_eval.match_detections), one per class of LABELS."""
    num_pages, num_ious = len(evaluator.params.imgIds), len(evaluator.params.iouThrs)
    assert len(evaluator.params.areaRng) == 1, "matches of several area ranges would be mixed"
    found = []
    for index in range(len(evaluator.params.catIds)):
        per_page = evaluator.evalImgs[index * num_pages : (index + 1) * num_pages]
        pages = [np.full(len(m["dtScores"]), page) for page, m in enumerate(per_page) if m is not None]
        scores = [np.asarray(m["dtScores"], dtype=float) for m in per_page if m is not None]
        matched = [np.asarray(m["dtMatches"]).reshape(num_ious, -1) > 0 for m in per_page if m is not None]
        ignored = [np.asarray(m["dtIgnore"]).reshape(num_ious, -1) > 0 for m in per_page if m is not None]
        order = np.argsort(-np.concatenate([*scores, []]), kind="mergesort")  # as COCOeval.accumulate
        is_matched = np.concatenate([np.empty((num_ious, 0), bool), *matched], axis=1)[:, order]
        is_ignored = np.concatenate([np.empty((num_ious, 0), bool), *ignored], axis=1)[:, order]
        num_regions = [0 if m is None else int((np.asarray(m["gtIgnore"]) == 0).sum()) for m in per_page]
        found.append(
            ClassMatches(
                pages=np.concatenate([np.empty(0, np.int64), *pages])[order],
                is_right=is_matched & ~is_ignored,
                is_wrong=~is_matched & ~is_ignored,
                num_regions=np.array(num_regions, dtype=np.int64),
            )
        )
    return found


def average_precision(matches: ClassMatches, weights: Sequence[int], recall_thresholds: np.ndarray) -> float:
    """COCO's AP where page p counts weights[p] times; NaN where no region is left. As COCOeval.accumulate does it."""
    weights = np.asarray(weights)
    num_regions = int(weights @ matches.num_regions) if len(weights) else 0
    if not num_regions:
        return float("nan")
    counts = weights[matches.pages]
    is_there = counts > 0
    counts = counts[is_there]
    right = np.cumsum(matches.is_right[:, is_there] * counts, axis=1, dtype=float)  # (T, D)
    wrong = np.cumsum(matches.is_wrong[:, is_there] * counts, axis=1, dtype=float)
    recall = right / num_regions
    precision = right / (right + wrong + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    total = 0.0
    for recalls, precisions in zip(recall, precision, strict=True):
        places = np.searchsorted(recalls, recall_thresholds, side="left")
        total += precisions[places[places < len(precisions)]].sum()
    return total / (len(recall) * len(recall_thresholds))


def _interval(values: np.ndarray) -> Interval | None:
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
