"""Move detected boxes to what is printed: a detector says what and where about, the ink says where exactly. NumPy only.

Works on any picture of a page, a scan too. Text, titles and lists end at whole lines of print, tables at their ruled
lines, figures at their ink. A box that finds nothing to hold on to stays as it was. Boxes that then agree become one,
with a score that counts them all; texts end where paragraphs do (paragraphs.py), those that hang are items of lists
(list_items.py). An engine does this after the network where DetectorConfig.fit_to_ink says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layoutdeit.geometry import containment, iou
from layoutdeit.ink import Ink, find_ink, runs, share_of_ink, span
from layoutdeit.labels import label_by_name
from layoutdeit.list_items import find_lists, without_paragraphs
from layoutdeit.paragraphs import MAX_PRINT, mend_paragraphs
from layoutdeit.print_lines import INK_MARGIN, MIN_LINE, baselines_of, find_lines, rows_of_text

# Pixels at ink.REFERENCE_SIDE.
FLOAT_LINE_GAP = 3  # white rows inside a table or figure
MAX_WORD_GAP = {"text": 8, "title": 8, "list": 8, "table": 12, "figure": 12}  # white columns inside one thing
SHIFT_SLACK = 10  # an edge moves by no more than its box's side and this
RULE_REACH = 20  # and half the height: how far beyond a table's box its ruled lines are looked for
SAME_EDGE = 5  # ruled lines whose ends differ less belong to one table

MIN_INSIDE = 0.4  # of a line in a box, from which it belongs to it
NUM_MEASURED = 5  # lines of a text whose baselines tell its print size
NUM_ROUNDS = 2  # rows, columns, and again: the rows found first depend on the columns

BARE_INSET = 0.03  # of a box's width at either end that does not count: a frame's sides
BARE_SCORE = 0.5  # of its score that a box of text keeps in which no line is printed

RUN_IN_SCORE = 0.5  # of its score that a title keeps whose line goes on beyond it
RUN_IN_REST = 2.0  # heights of that line, from which it does

# A text at the upper or lower end of a figure or table that is as wide as it is its caption, and no part of it.
CAPTION_SCORE = 0.5
FLOAT_SCORE = 0.3
CAPTION_HEIGHT = 0.2  # of the figure's, at most
CAPTION_WIDTH = 0.5  # of the figure's, at least
CAPTION_INSIDE = 0.8  # of its height, at least
CAPTION_LEFT = 0.4  # of the figure's height that must be left

# A title at the upper or lower end of a text is no part of it.
HEADING_SCORE, HEADED_SCORE = 0.5, 0.3  # of the title, of the text
HEADING_SURE = 0.8  # of the text's score, at least
HEADING_INSIDE = 0.6  # of the title in the text; of its height that is at most beyond it, to the text's end
HEADING_REST = 1.6  # of its height, at least, that the text has

AGREEING_IOU = 0.7  # fitted boxes of one class that overlap more mean the same region
VOTE = 0.6  # of its score that each agreeing box adds, as if it were an independent opinion

LINE_LABELS = frozenset(label_by_name(name).id for name in ("text", "title", "list"))
TEXT, TITLE, LIST, TABLE = (label_by_name(name).id for name in ("text", "title", "list", "table"))
_FLOATS = frozenset(label_by_name(name).id for name in ("table", "figure"))
_WORD_GAP = {label_by_name(name).id: gap for name, gap in MAX_WORD_GAP.items()}


@dataclass(frozen=True)
class Fitted:
    """Boxes (K, 4) xyxy pixels, labels (K,), scores (K,) in 0..1, best first."""

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def fit_to_page(boxes_xyxy: np.ndarray, labels: np.ndarray, scores: np.ndarray, picture: np.ndarray) -> Fitted:
    """Fit a page's boxes (N, 4) to its picture (H, W, 3) uint8, merge those that agree, mend paragraphs and lists."""
    if len(boxes_xyxy) == 0:
        return Fitted(np.zeros((0, 4)), np.zeros(0, dtype=np.int64), np.zeros(0))
    ink = find_ink(picture)
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    is_text = np.isin(labels, list(LINE_LABELS))
    is_bare = np.array([text and _is_bare(box, ink) for box, text in zip(boxes_xyxy, is_text, strict=True)])
    scores = np.where(is_bare, BARE_SCORE, 1) * scores
    boxes = without_captions(fit_boxes(boxes_xyxy, labels, ink), labels, scores, ink)
    is_title = labels == TITLE
    is_run_in = np.array([title and _is_part_of_line(box, ink) for box, title in zip(boxes, is_title, strict=True)])
    found = merge_agreeing(boxes, labels, np.where(is_run_in, RUN_IN_SCORE, 1) * scores)
    boxes, origins = mend_paragraphs(found.boxes, found.labels == TEXT, found.scores, ink)
    boxes, labels, scores = find_lists(boxes, found.labels[origins], found.scores[origins], ink)
    return merge_agreeing(without_headings(boxes, labels, scores), labels, scores)


def without_captions(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, ink: Ink) -> np.ndarray:
    """Fitted boxes (N, 4), figures and tables cut where their captions begin and fitted again."""
    texts = boxes[(labels == TEXT) & (scores >= CAPTION_SCORE)]
    texts = texts[np.argsort(texts[:, 1])]
    cut = boxes.copy()
    is_float = np.isin(labels, list(_FLOATS)) & (scores >= FLOAT_SCORE) & np.isfinite(boxes).all(axis=1)
    for index in np.flatnonzero(is_float):
        x0, y0, x1, y1 = boxes[index]
        top, bottom = _between_captions(boxes[index], texts)
        if (top, bottom) != (y0, y1) and bottom - top >= CAPTION_LEFT * (y1 - y0):
            cut[index] = _fit_rows(np.array([x0, top, x1, bottom]), int(labels[index]), ink)
    return cut


def _between_captions(box: np.ndarray, texts: np.ndarray) -> tuple[float, float]:
    """Upper and lower edge of a figure or table without those of the texts (T, 4), sorted downwards, at its ends."""
    x0, top, x1, bottom = box
    heights = texts[:, 3] - texts[:, 1]
    is_wide = np.minimum(texts[:, 2], x1) - np.maximum(texts[:, 0], x0) >= CAPTION_WIDTH * (x1 - x0)
    is_in = np.minimum(texts[:, 3], bottom) - np.maximum(texts[:, 1], top) >= CAPTION_INSIDE * heights
    captions = texts[is_wide & is_in & (heights <= CAPTION_HEIGHT * (bottom - top))]
    for _, text_top, _, text_bottom in captions:
        if text_top <= top + (text_bottom - text_top) / 2:
            top = text_bottom
    for _, text_top, _, text_bottom in captions[::-1]:
        if text_bottom >= bottom - (text_bottom - text_top) / 2:
            bottom = text_top
    return top, bottom


def without_headings(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Boxes (N, 4), texts cut where a title at their upper or lower end is hardly less sure than they are."""
    cut = boxes.copy()
    titles = np.flatnonzero((labels == TITLE) & (scores >= HEADING_SCORE) & np.isfinite(boxes).all(axis=1))
    texts = np.flatnonzero((labels == TEXT) & (scores >= HEADED_SCORE) & np.isfinite(boxes).all(axis=1))
    inside = containment(boxes[titles], boxes[texts])  # (titles, texts)
    for title, text in zip(*np.nonzero(inside >= HEADING_INSIDE), strict=True):
        top, bottom = boxes[titles[title], (1, 3)]
        box, height = cut[texts[text]], bottom - top
        if scores[titles[title]] < HEADING_SURE * scores[texts[text]] or box[3] - box[1] < HEADING_REST * height:
            continue
        if top - box[1] < HEADING_INSIDE * height:
            box[1] = max(box[1], bottom)
        elif box[3] - bottom < HEADING_INSIDE * height:
            box[3] = min(box[3], top)
    return cut


def merge_agreeing(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> Fitted:
    """Let the best of the boxes that mean the same region stand for them: 1 - score is the product of all doubts."""
    order = np.argsort(-scores, kind="stable")
    boxes, labels, scores = boxes[order], labels[order], scores[order]
    agrees = (iou(boxes, boxes) > AGREEING_IOU) & (labels[:, None] == labels)  # (N, N)
    is_free = np.ones(len(boxes), dtype=bool)
    best, merged_scores = [], []
    for index in range(len(boxes)):
        if not is_free[index]:
            continue
        group = np.flatnonzero(agrees[index] & is_free)  # itself first
        is_free[index] = is_free[group] = False
        doubts = 1 - VOTE * scores[group[group != index]]
        best.append(index)
        merged_scores.append(1 - (1 - scores[index]) * doubts.prod())
    final = np.argsort(-np.array(merged_scores), kind="stable") if best else np.zeros(0, dtype=np.int64)
    best_of = np.array(best, dtype=np.int64)[final]
    return Fitted(boxes[best_of], labels[best_of], np.array(merged_scores, dtype=np.float64)[final])


def fit_boxes(boxes_xyxy: np.ndarray, labels: np.ndarray, ink: Ink) -> np.ndarray:
    """Fit boxes (N, 4) in pixels of the picture that `ink` was found on; labels (N,) 1..5 -> (N, 4) float64."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    return np.array([fit_box(box, int(label), ink) for box, label in zip(boxes, labels, strict=True)]).reshape(-1, 4)


def fit_box(box: np.ndarray, label: int, ink: Ink) -> np.ndarray:
    """Fit one box (4,), unchanged where there is nothing to fit it to."""
    if not np.isfinite(box).all():
        return box
    if label in LINE_LABELS and share_of_ink(box, ink) > MAX_PRINT:
        return box
    if label == TABLE and (ruled := _between_rules(box, ink)) is not None:
        return ruled
    fitted = _fit_edges(box, label, ink)
    if label == LIST and (cut := without_paragraphs(fitted, ink)) is not None:
        return _fit_edges(cut, label, ink)
    return fitted


def _fit_edges(box: np.ndarray, label: int, ink: Ink) -> np.ndarray:
    """Move all edges of a box to lines of print, or to ink."""
    for _ in range(NUM_ROUNDS):
        box = _fit_columns(_fit_rows(box, label, ink), label, ink)
    return box


def _fit_rows(box: np.ndarray, label: int, ink: Ink) -> np.ndarray:
    """Move the upper and lower edge to whole lines of print."""
    x0, y0, x1, y1 = box if label not in LINE_LABELS else _within_rules(box, ink)
    left, right = span(x0, x1, ink.size_hw[1])
    if right <= left:
        return box
    counts = ink.rows(left, right)
    if label in LINE_LABELS:
        starts, ends = find_lines(counts, ink.scale, y0, y1)
    else:
        starts, ends = runs(counts > 0, max_gap=FLOAT_LINE_GAP * ink.scale)
    mine = _belonging(starts, ends, y0, y1)
    if len(mine) == 0:
        return box
    starts, ends = starts[mine], ends[mine]
    top, bottom = starts[0], ends[-1]
    new_top, new_bottom = top - INK_MARGIN, bottom + INK_MARGIN
    if label in LINE_LABELS:
        some = np.linspace(0, len(starts) - 1, min(len(starts), NUM_MEASURED)).astype(np.int64)  # the ends, and between
        new_top, new_bottom = rows_of_text(starts[some], baselines_of(counts, starts[some], ends[some]))
    reach = y1 - y0 + SHIFT_SLACK * ink.scale
    return np.array(
        [x0, new_top if abs(top - y0) <= reach else y0, x1, new_bottom if abs(bottom - y1) <= reach else y1]
    )


def _within_rules(box: np.ndarray, ink: Ink) -> np.ndarray:
    """The highest part of a box of text that no ruled line crosses: a table's lines end what is above the table."""
    x0, y0, x1, y1 = box
    rules = ink.rules_across(x0, x1)
    rules = rules[(rules[:, 1] > y0) & (rules[:, 3] < y1)]
    if len(rules) == 0:
        return box
    edges = np.sort([y0, *rules[:, (1, 3)].mean(axis=1), y1])
    part = int(np.argmax(np.diff(edges)))
    return np.array([x0, edges[part], x1, edges[part + 1]])


def _fit_columns(box: np.ndarray, label: int, ink: Ink) -> np.ndarray:
    """Move the left and right edge to the ink between the upper and lower one."""
    x0, y0, x1, y1 = box
    upper, lower = span(y0, y1, ink.size_hw[0])
    if lower <= upper:
        return box
    starts, ends = runs(ink.columns(upper, lower) > 0, max_gap=_WORD_GAP[label] * ink.scale)
    mine = _belonging(starts, ends, x0, x1)
    if len(mine) == 0:
        return box
    left, right = starts[mine[0]], ends[mine[-1]]
    reach = x1 - x0 + SHIFT_SLACK * ink.scale
    return np.array(
        [
            left - INK_MARGIN if abs(left - x0) <= reach else x0,
            y0,
            right + INK_MARGIN if abs(right - x1) <= reach else x1,
            y1,
        ]
    )


def _between_rules(box: np.ndarray, ink: Ink) -> np.ndarray | None:
    """A table's box by its own ruled lines, those of equal length one above the other; None without two of them."""
    x0, y0, x1, y1 = box
    rules = ink.rules
    reach = RULE_REACH * ink.scale + (y1 - y0) / 2
    shared = np.minimum(rules[:, 2], x1) - np.maximum(rules[:, 0], x0)
    is_mine = (shared >= 0.5 * (rules[:, 2] - rules[:, 0])) | (shared >= 0.7 * (x1 - x0))
    rules = rules[is_mine & (rules[:, 3] > y0 - reach) & (rules[:, 1] < y1 + reach)]
    alike = (np.abs(rules[:, None, (0, 2)] - rules[None, :, (0, 2)]) <= SAME_EDGE * ink.scale).all(axis=2)  # (R, R)
    has_peers = alike.sum(axis=1) >= 2
    if not has_peers.any():
        return None
    longest = int(np.argmax(np.where(has_peers, rules[:, 2] - rules[:, 0], -1)))
    own = rules[alike[longest]]
    left, top, right, bottom = own[:, 0].min(), own[:, 1].min(), own[:, 2].max(), own[:, 3].max()
    shared_height = min(bottom, y1) - max(top, y0)
    if min(right, x1) <= max(left, x0) or shared_height < max(0.5 * (y1 - y0), 0.35 * (bottom - top)):
        return None  # rules of something else: of a head, of a single row
    return np.array([left - INK_MARGIN, top - INK_MARGIN, right + INK_MARGIN, bottom + INK_MARGIN])


def _is_bare(box: np.ndarray, ink: Ink) -> bool:
    """Whether a box of text holds nothing as high as a line of print: white paper, a ruled line."""
    x0, y0, x1, y1 = box
    if not np.isfinite(box).all():
        return False
    inset = BARE_INSET * (x1 - x0)
    left, right = span(x0 + inset, x1 - inset, ink.size_hw[1])
    upper, lower = span(y0, y1, ink.size_hw[0])
    starts, ends = runs(ink.rows(left, max(left, right))[upper:lower] > 0)
    return not (ends - starts >= MIN_LINE * ink.scale).any()


def _is_part_of_line(box: np.ndarray, ink: Ink) -> bool:
    """Whether the last line of a title goes on beyond its box: a paragraph's first words, a name among others."""
    x0, y0, x1, y1 = box
    if not np.isfinite(box).all():
        return False
    (left, right), (upper, lower) = span(x0, x1, ink.size_hw[1]), span(y0, y1, ink.size_hw[0])
    starts, ends = find_lines(ink.rows(left, max(left, right))[upper:lower], ink.scale)
    if len(starts) == 0:
        return False
    first, last = runs(ink.columns(upper + starts[-1], upper + ends[-1]) > 0, max_gap=_WORD_GAP[TITLE] * ink.scale)
    mine = np.flatnonzero((first < x1) & (last > x0))
    if len(mine) == 0:
        return False
    return max(x0 - first[mine[0]], last[mine[-1]] - x1) > RUN_IN_REST * (ends[-1] - starts[-1])


def _belonging(starts: np.ndarray, ends: np.ndarray, low: float, high: float) -> np.ndarray:
    """Indices of the stretches of which enough lies in low..high."""
    inside = np.minimum(ends, high) - np.maximum(starts, low)
    return np.flatnonzero(inside >= MIN_INSIDE * (ends - starts))
