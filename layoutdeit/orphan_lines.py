"""Lines of the text layer that no region holds and that go on a text or list above or below: they become part of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layoutdeit.postprocess import MIN_JUDGED, MIN_SEEN
from layoutdeit.reading import REACH, Word, group_lines, line_height_of, words_in

GROWING = ("text", "list")
MIN_LINES = 2  # of a region, by which its line pitch is known
MAX_PITCH = 1.15  # pitches from a region's last line to one that goes on
SAME_SIZE = 0.1  # of its print size, by which a line may differ


def adopt_lines(
    held: Sequence[Sequence[Word]],
    boxes_xyxy: np.ndarray,
    labels: Sequence[str],
    scores: np.ndarray,
    words: Sequence[Word],
) -> list[list[Word]]:
    """The words of each box, and those of lines in no box that follow its own at its pitch, in its column and size.

    held: the words of each box; boxes (N, 4) in points, best first. Running heads and page numbers are further off, or
    in another size. A detector's boxes may end a line too early; the last line of a paragraph is often a word.
    """
    grown = [list(own) for own in held]
    is_seen = np.asarray(scores) >= MIN_SEEN  # a box that is not shown must not keep a line from one that is
    taken = {id(word) for own, seen in zip(held, is_seen, strict=True) if seen for word in own}
    for box, label, seen in zip(boxes_xyxy, labels, is_seen, strict=True):
        if seen and label not in GROWING:
            taken |= {id(word) for word in words_in(box, words)}
    orphans = [word for word in words if id(word) not in taken]
    for index, label in enumerate(labels):
        if orphans and label in GROWING and scores[index] >= MIN_JUDGED:
            adopted = _lines_that_go_on(grown[index], orphans)
            grown[index] += adopted
            gone = {id(word) for word in adopted}
            orphans = [word for word in orphans if id(word) not in gone]
    return grown


def _lines_that_go_on(own: Sequence[Word], orphans: Sequence[Word]) -> list[Word]:
    """The orphans, line by line, that follow a region's words downwards or precede them."""
    lines = group_lines(own)
    if len(lines) < MIN_LINES:
        return []
    middles = [_middle(line) for line in lines]
    pitch, size = float(np.median(np.diff(middles))), line_height_of(own)
    left, right = min(word.box[0] for word in own), max(word.box[2] for word in own)
    edges = np.array([word.box for word in orphans])  # (W, 4)
    heights = edges[:, 1::2].mean(axis=1)
    is_free = (left - size < edges[:, 2]) & (edges[:, 0] < right + size)
    adopted: list[Word] = []
    for direction, edge in ((1, middles[-1]), (-1, middles[0])):
        while True:
            distance = direction * (heights - edge)
            near = np.flatnonzero(is_free & (distance > pitch / 2) & (distance <= MAX_PITCH * pitch + size))
            line = group_lines([orphans[index] for index in near])[::direction][:1]
            if (
                not line
                or not _fits(line[0], left, right, size)
                or direction * (_middle(line[0]) - edge) > MAX_PITCH * pitch
            ):
                break
            adopted += line[0]
            edge = _middle(line[0])
            taken = {id(word) for word in line[0]}
            is_free[[index for index in near if id(orphans[index]) in taken]] = False
    return adopted


def _fits(line: Sequence[Word], left: float, right: float, size: float) -> bool:
    """Whether a line is within a column and of its print size."""
    is_inside = all(left - REACH <= word.box[0] and word.box[2] <= right + REACH for word in line)
    return is_inside and abs(line_height_of(line) - size) <= SAME_SIZE * size


def _middle(line: Sequence[Word]) -> float:
    return float(np.mean([(word.line_box or word.box)[1::2] for word in line]))
