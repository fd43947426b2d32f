"""The pages a detector does worst on, in one HTML file that opens anywhere: truth on the left, found on the right."""

from __future__ import annotations

import base64
import html
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from layoutdeit.draw import draw_regions
from layoutdeit.geometry import xywh_to_xyxy
from layoutdeit.labels import LABELS
from layoutdeit.layout import PageLayout
from layoutdeit.postprocess import build_regions

if TYPE_CHECKING:
    from pycocotools.cocoeval import COCOeval

    from layoutdeit.publaynet import PageDataset

MIN_SCORE = 0.5  # of the detections drawn and counted
MAX_SIDE_PX = 900  # of a picture in the file
STYLE = (
    "body{font:15px sans-serif;margin:24px;background:#fafafa;color:#222}section{margin:0 0 40px}"
    "figure{display:inline-block;margin:0 12px 0 0;vertical-align:top}img{max-width:44vw;border:1px solid #bbb}"
    "figcaption{color:#555}h2{font-size:17px;overflow-wrap:anywhere}span{padding:1px 8px;border-radius:3px}"
)


@dataclass(frozen=True)
class PageScore:
    """How well a page was read: F1 of the detections above MIN_SCORE, the mean over COCO's IoU thresholds, 0..1.

    num_regions on the page, num_found above the score, num_right of them at IoU .50.
    """

    image_id: int
    f1: float
    num_regions: int
    num_found: int
    num_right: int


def page_scores(evaluator: COCOeval) -> list[PageScore]:
    """A score per page of an evaluation, worst first; a page with nothing on it and nothing found has 1."""
    num_pages, num_ious = len(evaluator.params.imgIds), len(evaluator.params.iouThrs)
    regions, found = np.zeros(num_pages, dtype=int), np.zeros(num_pages, dtype=int)
    right = np.zeros((num_ious, num_pages), dtype=int)
    for place, match in enumerate(evaluator.evalImgs):  # classes in turn, pages within
        if match is not None:
            page = place % num_pages
            counts = np.asarray(match["dtScores"]) >= MIN_SCORE
            counts = counts & ~(np.asarray(match["dtIgnore"]).reshape(num_ious, -1) > 0).all(axis=0)
            regions[page] += int((np.asarray(match["gtIgnore"]) == 0).sum())
            found[page] += int(counts.sum())
            right[:, page] += (np.asarray(match["dtMatches"]).reshape(num_ious, -1)[:, counts] > 0).sum(axis=1)
    f1 = np.where(regions + found == 0, 1.0, 2 * right.mean(axis=0) / np.maximum(1, regions + found))
    order = np.argsort(f1, kind="stable")
    ids = evaluator.params.imgIds
    return [PageScore(int(ids[p]), float(f1[p]), int(regions[p]), int(found[p]), int(right[0, p])) for p in order]


def write_gallery(
    path: str | Path, scores: Sequence[PageScore], dataset: PageDataset, results: Iterable[dict[str, Any]], title: str
) -> None:
    """Write the pages of `scores` in their order. results: the COCO entries of the whole data set."""
    entries = defaultdict(list)
    for entry in results:
        if entry["score"] >= MIN_SCORE:
            entries[entry["image_id"]].append(entry)
    index_of = {int(image_id): index for index, image_id in enumerate(dataset.image_ids())}
    legend = " ".join(
        f'<span style="background:{label.hex_colour};color:rgb{label.ink}">{label.name}</span>' for label in LABELS
    )
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(title)}</h1><p>The {len(scores)} pages read worst: F1 of the detections above "
        f"{MIN_SCORE}, mean over IoU .50 to .95. {legend}</p>",
    ]
    for score in scores:
        sample = dataset[index_of[score.image_id]]
        image = Image.fromarray(np.ascontiguousarray(sample.image.numpy().transpose(1, 2, 0)))  # -> (H, W, 3)
        target = sample.target
        truth = draw_boxes(image, target.boxes.numpy(), target.labels.numpy(), np.ones(len(target.labels)))
        mine = entries[score.image_id]
        boxes = xywh_to_xyxy([entry["bbox"] for entry in mine])
        found = draw_boxes(image, boxes, [e["category_id"] for e in mine], [e["score"] for e in mine])
        parts.append(
            f"<section><h2>{html.escape(sample.file_name)}</h2><p>F1 {score.f1:.2f}; {score.num_regions} regions, "
            f"{score.num_found} found, {score.num_right} of them right at IoU .50</p>"
            f"<figure>{_image_tag(truth)}<figcaption>annotated</figcaption></figure>"
            f"<figure>{_image_tag(found)}<figcaption>found</figcaption></figure></section>"
        )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join(parts) + "</html>\n", encoding="utf-8")


def draw_boxes(
    image: Image.Image, boxes_xyxy: np.ndarray, labels: Sequence[int], scores: Sequence[float]
) -> Image.Image:
    """A copy of a page picture with boxes (N, 4) in its pixels drawn on it, class and score beside each."""
    regions = build_regions(boxes_xyxy, labels, scores, image.size)
    return draw_regions(image, PageLayout(1, image.width, image.height, regions))


def _image_tag(image: Image.Image) -> str:
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode("ascii")}">'
