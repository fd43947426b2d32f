import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit.geometry import iou
from layoutdeit.postprocess import MAX_IOU, MIN_JUDGED, RULES, build_regions, clean

TEXT, TITLE, LIST, TABLE, FIGURE = 1, 2, 3, 4, 5
DETECTION = st.tuples(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40)),
    st.integers(1, 5),
    st.integers(0, 20).map(lambda n: n / 20),
)


def arrays(found):
    boxes = np.array([(x, y, x + w, y + h) for (x, y, w, h), _, _ in found], dtype=float).reshape(-1, 4)
    return boxes, np.array([label for _, label, _ in found], dtype=int), np.array([score for *_, score in found])


def kept(*found):
    """Indices kept of (box, label, score)."""
    boxes, labels, scores = zip(*found, strict=True)
    return clean(np.array(boxes), np.array(labels), np.array(scores)).tolist()


def test_doubles_go_whatever_their_classes():
    box, nearly = (10, 10, 110, 60), (12, 10, 110, 62)
    assert kept((box, TEXT, 0.6), (nearly, TITLE, 0.9)) == [1]
    assert kept((box, TEXT, 0.9), (box, TEXT, 0.9)) == [0]


def test_part_of_a_better_region_of_its_class_goes():
    whole, part = (0, 0, 100, 100), (5, 5, 60, 20)
    assert kept((whole, TEXT, 0.9), (part, TEXT, 0.8)) == [0]
    assert kept((whole, TEXT, 0.7), (part, TEXT, 0.8)) == [1, 0]  # never the better one
    assert kept((whole, TEXT, 0.9), ((60, 0, 110, 40), TEXT, 0.8)) == [0]  # four fifths of it
    assert kept((whole, TEXT, 0.9), ((80, 0, 120, 40), TEXT, 0.8)) == [0, 1]  # half


@pytest.mark.parametrize("whole", [LIST, TABLE, FIGURE])
def test_text_inside_a_better_list_table_or_figure_goes(whole):
    assert kept(((0, 0, 100, 100), whole, 0.9), ((5, 5, 60, 20), TEXT, 0.8)) == [0]


def test_legitimate_nesting_stays():
    figure, table, title = ((0, 0, 100, 100), FIGURE, 0.9), ((5, 5, 60, 40), TABLE, 0.8), ((5, 60, 60, 70), TITLE, 0.7)
    assert kept(figure, table, title) == [0, 1, 2]


def test_neighbours_that_touch_or_overlap_a_little_stay():
    assert kept(((0, 0, 100, 50), TEXT, 0.9), ((0, 48, 100, 100), TEXT, 0.8), ((100, 0, 200, 50), TEXT, 0.7)) == [
        0,
        1,
        2,
    ]


def test_what_a_removed_box_would_have_removed_stays():
    """A box beaten by a better one has no say over a third."""
    first, second, third = (0, 0, 100, 100), (0, 40, 100, 140), (0, 80, 100, 180)
    boxes, labels, scores = np.array([first, second, third]), np.full(3, TEXT), np.array([0.9, 0.8, 0.7])
    assert clean(boxes, labels, scores, max_iou=0.4).tolist() == [0, 2]


def test_empty_and_impossible_boxes_go():
    nan, inf = float("nan"), float("inf")
    bad = [(5, 5, 5, 50), (9, 9, 3, 3), (0, 0, nan, 9), (0, 0, inf, 9)]
    assert kept(*[(box, TEXT, 0.9) for box in bad], ((0, 0, 9, 9), TEXT, nan), ((0, 0, 10, 10), TEXT, 0.5)) == [5]


def test_no_detections_give_no_regions():
    none = np.zeros((0, 4)), np.zeros(0, dtype=int), np.zeros(0)
    assert clean(*none).tolist() == []
    assert build_regions(*none, (612, 792)) == ()


def test_rules_can_be_switched_off():
    boxes, labels, scores = np.array([(0, 0, 9, 9)] * 2), np.array([TEXT, TEXT]), np.array([0.9, 0.8])
    assert clean(boxes, labels, scores, max_iou=2, min_nested=2).tolist() == [0, 1]


@settings(deadline=None)
@given(st.lists(DETECTION, max_size=10))
def test_kept_boxes_are_no_doubles_and_best_first(found):
    boxes, labels, scores = arrays(found)
    chosen = clean(boxes, labels, scores)
    overlap = iou(boxes[chosen], boxes[chosen])
    is_same = labels[chosen][:, None] == labels[chosen][None, :]
    is_judged = np.minimum(scores[chosen][:, None], scores[chosen][None, :]) >= MIN_JUDGED
    assert (overlap[~np.eye(len(chosen), dtype=bool) & (is_same | is_judged)] <= MAX_IOU).all()
    assert (np.diff(scores[chosen]) <= 0).all()


def test_another_class_judges_only_what_may_be_shown():
    box = (0, 0, 100, 100)
    assert kept((box, TEXT, 0.9), (box, TABLE, 0.39), (box, FIGURE, 0.41), (box, TEXT, 0.1)) == [0, 1]


@settings(deadline=None)
@given(st.lists(DETECTION, max_size=10), st.integers(0, 20).map(lambda n: n / 20))
def test_filtering_after_cleaning_is_cleaning_at_that_score(found, score):
    boxes, labels, scores = arrays(found)
    low = [index for index in clean(boxes, labels, scores) if scores[index] >= score]
    assert low == clean(boxes, labels, scores, min_score=score).tolist()


@settings(deadline=None)
@given(st.lists(DETECTION, max_size=10))
def test_cleaning_twice_changes_nothing(found):
    boxes, labels, scores = arrays(found)
    chosen = clean(boxes, labels, scores)
    assert clean(boxes[chosen], labels[chosen], scores[chosen]).tolist() == list(range(len(chosen)))


def test_regions_are_cut_to_the_page():
    boxes = np.array([[-5, 10, 50, 900], [700, 10, 720, 30], [1, 2, 3, 4]])
    regions = build_regions(boxes, np.array([5, 1, 2]), np.array([0.9, 0.8, 0.7]), (612, 792), ["a", "b", None])
    assert [(region.label, region.box, region.text) for region in regions] == [
        ("figure", (0, 10, 50, 792), "a"),
        ("title", (1, 2, 3, 4), None),
    ]


def test_each_rule_is_one_of_four_and_can_be_left_out():
    figure, inside, double = ((0, 0, 100, 100), FIGURE, 0.9), ((5, 5, 60, 20), TEXT, 0.8), ((0, 0, 100, 99), TABLE, 0.7)
    small = ((5, 5, 30, 20), FIGURE, 0.6)
    boxes, labels, scores = map(np.array, zip(figure, inside, double, small, strict=True))
    for rule, index in {"part": 1, "double": 2, "nested": 3}.items():
        others = set(RULES) - {rule}
        assert clean(boxes, labels, scores, rules=others).tolist() == [0, index]
    assert clean(boxes, labels, scores).tolist() == [0]
    with pytest.raises(ValueError, match="unknown rule 'doubel': use any of double, nested, part"):
        clean(boxes, labels, scores, rules=["doubel"])


@settings(deadline=None)
@given(st.lists(DETECTION, max_size=10), st.integers(0, 20).map(lambda n: n / 20))
def test_thresholds_per_class_hide_regions_and_bring_none_back(found, score):
    boxes, labels, scores = arrays(found)
    low = [index for index in clean(boxes, labels, scores) if labels[index] != FIGURE or scores[index] >= score]
    assert low == clean(boxes, labels, scores, min_score={"figure": score}).tolist()


def test_threshold_of_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match="unknown label 'chart'"):
        clean(np.zeros((0, 4)), np.zeros(0), np.zeros(0), min_score={"chart": 0.5})


def test_a_list_around_better_regions_is_none_of_its_own():
    paragraphs = [[10, 10, 200, 100], [10, 110, 200, 200], [10, 210, 200, 290]]
    boxes = np.array([*paragraphs, [5, 5, 205, 300]], dtype=float)
    scores = np.array([0.9, 0.9, 0.9, 0.7])
    labels = np.array([TEXT, TEXT, TEXT, LIST])
    assert clean(boxes, labels, scores).tolist() == [0, 1, 2]
    assert clean(boxes, labels, scores, rules=("double", "nested", "part")).tolist() == [0, 1, 2, 3]
    assert clean(boxes[[0, 3]], labels[[0, 3]], scores[[0, 3]]).tolist() == [0, 1]  # one paragraph does not fill it
    labels[3] = FIGURE
    assert clean(boxes, labels, scores).tolist() == [0, 1, 2, 3]  # a figure may have captions, panels


@pytest.mark.parametrize(
    ("label", "bottom", "score", "is_kept"),
    [
        (FIGURE, 150, 0.8, False),  # through the paragraph
        (TABLE, 150, 0.8, False),
        (FIGURE, 115, 0.8, True),  # only touches it
        (FIGURE, 195, 0.8, True),  # around nearly all of it
        (FIGURE, 150, 0.95, True),  # surer than it
        (FIGURE, 150, 0.35, True),  # what few people see goes before its own class only
        (LIST, 150, 0.8, True),
    ],
)
def test_figures_and_tables_do_not_cut_better_texts(label, bottom, score, is_kept):
    boxes = np.array([[50.0, 100, 250, 200], [0, 0, 300, bottom]])
    labels = np.array([TEXT, label])
    assert (1 in clean(boxes, labels, np.array([0.9, score]))) == is_kept
    assert 1 in clean(boxes, labels, np.array([0.9, score]), rules=set(RULES) - {"cutting"})
