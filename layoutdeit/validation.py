"""AP on the validation pages while a detector trains, on all processes, and a few of the pages drawn."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.fabric import Fabric
from PIL import Image

from layoutdeit.coco_eval import format_metrics, load_truth, match_detections, metrics_of, metrics_to_dict
from layoutdeit.config import TrainConfig
from layoutdeit.engines.base import Detector
from layoutdeit.gallery import MIN_SCORE, draw_boxes
from layoutdeit.geometry import xywh_to_xyxy
from layoutdeit.loop import PageResults, detect_pages
from layoutdeit.publaynet import PageDataset
from layoutdeit.train_log import TrainLog

if TYPE_CHECKING:
    from pycocotools.coco import COCO

log = logging.getLogger(__name__)


class Validation:
    """The validation split of a run. All processes detect, the main one matches, logs and draws."""

    def __init__(self, dataset: PageDataset, config: TrainConfig, truth_path: str) -> None:
        self.dataset, self.config, self.truth_path = dataset, config, truth_path
        self._truth: COCO | None = None

    def run(self, fabric: Fabric, detector: Detector, step: int, train_log: TrainLog | None) -> dict[str, Any] | None:
        """Evaluate after `step` steps -> the content of metrics.json, on the main process, which has the log."""
        settings = self.config.detector.input
        with fabric.autocast():
            found = detect_pages(fabric, detector, self.dataset, settings, num_workers=self.config.data.num_workers)
        metrics = None
        if train_log is not None:
            metrics = self._score(found, step, train_log)
        fabric.barrier()
        return metrics

    def _score(self, found: PageResults, step: int, train_log: TrainLog) -> dict[str, Any]:
        if self._truth is None:
            self._truth = load_truth(self.truth_path)
        boxes = metrics_of(match_detections(self._truth, found.entries, image_ids=found.image_ids))
        metrics = metrics_to_dict(boxes, None)
        left_out = len(self.dataset.missing) + len(found.broken)
        log.info(
            "step %d, %d pages (%d left out)\n%s", step, len(found.image_ids), left_out, format_metrics(boxes, None)
        )
        train_log.add_metrics(step, metrics)
        for index, image_id in enumerate(self.dataset.image_ids()[: self.config.num_pictures].tolist()):
            if image_id in found.image_ids:
                self._draw(index, [e for e in found.entries if e["image_id"] == image_id], step, train_log)
        return metrics

    def _draw(self, index: int, entries: list[dict[str, Any]], step: int, train_log: TrainLog) -> None:
        sample = self.dataset[index]
        entries = [entry for entry in entries if entry["score"] >= MIN_SCORE]
        image = Image.fromarray(np.ascontiguousarray(sample.image.numpy().transpose(1, 2, 0)))  # -> (H, W, 3)
        boxes = xywh_to_xyxy([entry["bbox"] for entry in entries])
        labels, scores = [e["category_id"] for e in entries], [e["score"] for e in entries]
        train_log.add_picture(step, sample.file_name, draw_boxes(image, boxes, labels, scores))
