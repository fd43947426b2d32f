"""Reading a page's text layer: which words a region holds, its text, its print size, and a box tight around them.

Boxes are xyxy in points of the page as displayed. `pdf.py` gives the words; `analyze.py` asks the rest.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SOFT_HYPHEN = "\u00ad"
# A word of letters alone, hyphen last, after a blank, an opening bracket or quote, a dash or a stroke.
DIVIDED = re.compile(r"(?:^|[\s(\[\"'\u201c\u2018\u201e\u00ab\u2013\u2014/])[^\W\d_]{2,}[-\u2010]$")
LEFT_OPEN = re.compile(r"(?:and|or|to|und|oder|bis|et|ou|y|o|e)(?=\s|$)")  # "short- and long-term": its hyphen stays
COMPOUND = re.compile(r"[^\W\d_]+[-\u2010]\w")  # "signal-", then "to-noise"
TAIL = 80  # characters in which the last word is looked for
TALL = 1.8  # heights of the other words, from which a word is a drop cap or a bracket over several lines
CJK = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")
HEADING_NUMBER = re.compile(r"§?(?:\d{1,2}(?:\.\d{1,2})*|[A-H](?:\.\d{1,2})*|[IVX]{1,4})[.)]?")
# Bullets, those of Word's symbol fonts too.
BULLETS = (
    r"[\u2022\u2023\u2043\u2192\u2219\u25a0\u25a1\u25aa\u25cb\u25cf\u25e6"
    r"\u2713\u2714\u27a2\uf0a7\uf0b7\uf0d8\u2013\u2014*\u00b7-]"
)
# What stands before an item of a list: a bullet, or a number that is none of a line.
ITEM_MARKER = re.compile(rf"{BULLETS}|\(?\d{{1,3}}[.)]|\(\w{{1,4}}\)|\[\d{{1,4}}\]|[A-Za-z][.)]|[ivx]{{1,5}}[.)]")
NUMBER_GAP = 3.0  # heights of the words behind, which a heading's number or an item's bullet stands before them at most
NUMBER_HEIGHT = 0.85  # of its heading's line height, at least: numbers of lines are smaller
MIN_COLUMN_LINES, MIN_COLUMN_WORDS = 3, 3  # beside each other, and in a line of a column on average
MAX_RAGGED, MIN_LONG = 4.0, 0.6  # heights that a line may end before its column does, and how many lines end so
MIN_READ = 0.5  # of the texts, titles and lists of a page that has a text layer, which hold words of it
SNAPPED = ("text", "title", "list")  # of words alone: their boxes are those of their lines
REACH = 1.0  # points: a word whose centre lies this far outside a box still belongs to it


@dataclass(frozen=True)
class Word:
    """A word of the text layer and the box around its glyphs, xyxy in points of the page as displayed.

    line_height: of its font, in points, whatever letters it is made of; 0 where it is not known. line_box: the box with
    that height; None where it is not known.
    """

    text: str
    box: tuple[float, float, float, float]
    line_height: float = 0.0
    line_box: tuple[float, float, float, float] | None = None


def text_of(words: Sequence[Word]) -> str:
    """Words as text, line by line, lines joined by newlines; "" for none."""
    return "\n".join(" ".join(word.text for word in line) for line in group_lines(words))


def words_in(box: Sequence[float], words: Sequence[Word], reach: float = 0.0) -> list[Word]:
    """The words whose centres lie in a box (4,), or at most `reach` points outside it."""
    if not words:
        return []
    edges = np.array([word.box for word in words])  # (W, 4)
    centres = (edges[:, :2] + edges[:, 2:]) / 2  # (W, 2)
    box = np.asarray(box, dtype=np.float64)
    inside = np.all((centres >= box[:2] - reach) & (centres <= box[2:] + reach), axis=1)
    return [words[index] for index in np.flatnonzero(inside)]


def print_size(words: Sequence[Word]) -> float | None:
    """The line height that most letters of the words have, in points; None where none is known."""
    heights = [word.line_height for word in words for _ in word.text if word.line_height > 0]
    return float(np.median(heights)) if heights else None


def line_height_of(words: Sequence[Word]) -> float:
    """The median height of words in points, of their fonts where it is known; 0 for none."""
    heights = [word.line_height or word.box[3] - word.box[1] for word in words]
    return float(np.median(heights)) if heights else 0.0


def are_of_the_print(words: Sequence[Word], boxes_xyxy: np.ndarray, labels: Sequence[str]) -> bool:
    """Whether the words are those of what was found on a page, boxes (N, 4), and not a stamp or footer on a scan."""
    asked = [box for box, label in zip(boxes_xyxy, labels, strict=True) if label in SNAPPED]
    num_read = sum(bool(words_in(box, words)) for box in asked)
    return bool(words) and num_read >= MIN_READ * len(asked)


def snap_to_words(
    boxes_xyxy: np.ndarray, labels: Sequence[str], words: Sequence[Word]
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of text, titles and lists made those of their lines. -> boxes (N, 4), whether each holds any word (N,).

    boxes: (N, 4), best first.

    A word belongs to the box that holds its centre, the number before a title to the title, and a bullet or number
    before an item to its list; other classes, and pages without a text layer, stay as they are and count as full.
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    held = [words_in(box, words, REACH) for box in boxes]
    for index, label in enumerate(labels):
        before = []
        if held[index] and label == "title":
            before = [_word_before(held[index], words, HEADING_NUMBER, least_height=NUMBER_HEIGHT)]
        elif held[index] and label == "list":
            before = [_word_before(line, words, ITEM_MARKER) for line in group_lines(held[index])]
        better = boxes[:index]  # a worse one, which may be hidden later, must not take it
        for marker in before:
            if marker is not None and not any(words_in(other, [marker]) for other in better):
                held[index].append(marker)
    return boxes_of_lines(boxes, labels, held) if words else (boxes.copy(), np.ones(len(boxes), dtype=bool))


def boxes_of_lines(
    boxes_xyxy: np.ndarray, labels: Sequence[str], held: Sequence[Sequence[Word]]
) -> tuple[np.ndarray, np.ndarray]:
    """The boxes (N, 4) of what each holds, for the classes that snap_to_words moves, and whether it holds any (N,).

    From ascent to descent, as PubLayNet's boxes are: tight around the ink they would be lower by a quarter of a line.
    """
    boxes = np.array(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    is_full = np.ones(len(boxes), dtype=bool)
    for index, label in enumerate(labels):
        if label not in SNAPPED:
            continue
        lines = np.array([word.line_box or word.box for word in held[index]]).reshape(-1, 4)
        if len(lines):
            boxes[index] = [*lines[:, :2].min(axis=0), *lines[:, 2:].max(axis=0)]
        else:
            is_full[index] = False
    return boxes, is_full


def _word_before(
    region: Sequence[Word], words: Sequence[Word], pattern: re.Pattern[str], *, least_height: float = 0.0
) -> Word | None:
    """The word left of a region's first line where it fits a pattern, with nothing beside it but the region."""
    first = group_lines(region)[0][0]
    left, top, _, bottom = first.box
    gap = NUMBER_GAP * (bottom - top)
    before = [word for word in words if word.box[2] <= left and top <= (word.box[1] + word.box[3]) / 2 <= bottom]
    *others, nearest = sorted(before, key=lambda word: word.box[2]) or [None]
    if nearest is None or nearest.box[2] < left - gap or nearest.line_height < least_height * first.line_height:
        return None
    stands_alone = not others or others[-1].box[2] < nearest.box[0] - gap  # else a line of another column ends there
    return nearest if stands_alone and nearest not in region and pattern.fullmatch(nearest.text) else None


def group_lines(words: Sequence[Word]) -> list[list[Word]]:
    """Words grouped into lines, lines top to bottom and words left to right.

    A word belongs to a line when the middle of either lies within the height of the other, so a full stop and a
    superscript stay with their words. A drop cap belongs to the first of the lines beside it. Words of a line that is
    mostly written from right to left come in that order.
    """
    heights = [word.box[3] - word.box[1] for word in words]
    limit = TALL * float(np.median(heights)) if heights else 0.0
    lines = _lines_of([word for word, height in zip(words, heights, strict=True) if height <= limit])
    middles = [float(np.mean([word.box[1::2] for word in line])) for line in lines]
    for tall in _lines_of([word for word, height in zip(words, heights, strict=True) if height > limit]):
        top, bottom = min(word.box[1] for word in tall), max(word.box[3] for word in tall)
        beside = next((index for index, middle in enumerate(middles) if top <= middle <= bottom), None)
        if beside is None:
            beside = sum(middle < top for middle in middles)
            lines.insert(beside, [])
            middles.insert(beside, (top + bottom) / 2)
        lines[beside] += tall
    return [_in_writing_order(line) for line in lines]


def columns_of(words: Sequence[Word]) -> list[list[Word]]:
    """Words of running text by the columns that they stand in, left to right; all together where there is one.

    Columns are parted by white at least a line wide that no word crosses, with three lines or more on both sides of it,
    each side of several words a line and most lines of the left one as long as the column: no list of terms, no form.
    """
    height = line_height_of(words)
    edge = -np.inf
    for word in sorted(words, key=lambda word: word.box[0]):
        if edge > -np.inf and word.box[0] - edge >= height:
            left = [other for other in words if other.box[2] <= edge]
            right = [other for other in words if other.box[0] > edge]
            if _are_columns(left, right, edge, height):
                return [left, *columns_of(right)]
        edge = max(edge, word.box[2])
    return [list(words)]


def _are_columns(left: Sequence[Word], right: Sequence[Word], edge: float, height: float) -> bool:
    on_left = {id(word) for word in left}
    lines = [([w for w in line if id(w) in on_left], len(line)) for line in group_lines([*left, *right])]
    across = [(part, num_words - len(part)) for part, num_words in lines if 0 < len(part) < num_words]
    if len(across) < MIN_COLUMN_LINES:
        return False
    least = MIN_COLUMN_WORDS * len(across)
    is_running = sum(len(part) for part, _ in across) >= least <= sum(rest for _, rest in across)
    num_long = sum(edge - max(word.box[2] for word in part) <= MAX_RAGGED * height for part, _ in across)
    return is_running and num_long >= MIN_LONG * len(across)


def _lines_of(words: Sequence[Word]) -> list[list[Word]]:
    lines: list[list[Word]] = []
    spans: list[tuple[float, float]] = []
    for word in sorted(words, key=lambda word: (word.box[1] + word.box[3], word.box[0])):
        top, bottom = word.box[1], word.box[3]
        if spans:
            line_top, line_bottom = spans[-1]
            is_same = line_top <= (top + bottom) / 2 <= line_bottom or top <= (line_top + line_bottom) / 2 <= bottom
            if is_same:
                lines[-1].append(word)
                # the line keeps the extent of its tallest word: growing it would swallow the next line
                if bottom - top > line_bottom - line_top:
                    spans[-1] = (top, bottom)
                continue
        lines.append([word])
        spans.append((top, bottom))
    return lines


def _in_writing_order(line: Sequence[Word]) -> list[Word]:
    words = sorted(line, key=lambda word: word.box[0])
    directions = [_direction(word.text) for word in words]
    if directions.count("right to left") <= directions.count("left to right"):
        return words
    runs = itertools.groupby(zip(words, directions, strict=True), key=lambda pair: pair[1] == "left to right")
    parts = [[word for word, _ in run][:: 1 if is_foreign else -1] for is_foreign, run in runs]
    return [word for part in reversed(parts) for word in part]


def _direction(text: str) -> str:
    kinds = {unicodedata.bidirectional(letter) for letter in text}
    return "right to left" if kinds & {"R", "AL"} else "left to right" if "L" in kinds else ""


def join_lines(text: str) -> str:
    """Lines joined to one, words divided at line ends made whole again, no space between two CJK characters.

    A soft hyphen goes. A hard one goes where a lower-case letter follows and neither part of the word holds another;
    that joins a compound divided at its own hyphen too, which without a dictionary cannot be told apart.
    """
    parts: list[str] = []
    tail = ""  # of what is joined: all of it would be searched once a line
    for line in filter(None, map(str.strip, text.splitlines())):
        is_divided = DIVIDED.search(unicodedata.normalize("NFC", tail)) and line[0].islower()
        if not parts:
            parts.append(line)
        elif tail.endswith(SOFT_HYPHEN) or is_divided and not LEFT_OPEN.match(line) and not COMPOUND.match(line):
            parts[-1] = parts[-1][:-1]
            parts.append(line)
        elif is_divided and LEFT_OPEN.match(line):
            parts.append(f" {line}")
        elif tail[-1] in "-\u2010" and tail[-2:-1].isalnum() or CJK.match(tail[-1]) and CJK.match(line[0]):
            parts.append(line)  # a compound, or a range of numbers
        else:
            parts.append(f" {line}")
        tail = (tail + parts[-1])[-TAIL:]
    return "".join(parts).replace(SOFT_HYPHEN, "")
