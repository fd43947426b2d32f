import pytest

from layoutdeit import labels


def test_five_publaynet_classes_in_their_order():
    assert [(label.id, label.name) for label in labels.LABELS] == [
        (1, "text"),
        (2, "title"),
        (3, "list"),
        (4, "table"),
        (5, "figure"),
    ]
    assert labels.NUM_CLASSES == 5 and tuple(label.name for label in labels.LABELS) == labels.LABEL_NAMES


def test_found_by_name_and_by_id():
    for label in labels.LABELS:
        assert labels.label_by_name(label.name) is labels.label_by_id(label.id) is label


@pytest.mark.parametrize("label_id", [0, 6, -1])
def test_no_label_has_another_id(label_id):
    with pytest.raises(ValueError, match="1..5"):
        labels.label_by_id(label_id)


def test_unknown_name_lists_those_there_are():
    with pytest.raises(ValueError, match="text, title, list, table, figure"):
        labels.label_by_name("footnote")


def test_colours_are_distinct_and_hexadecimal():
    assert labels.label_by_name("text").hex_colour == "#0072b2"
    assert len({label.hex_colour for label in labels.LABELS}) == 5


def test_ink_reads_on_the_colour():
    def luminance(rgb):
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in (value / 255 for value in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for label in labels.LABELS:
        dark, light = sorted((luminance(label.colour), luminance(label.ink)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, label  # WCAG 2, level AA
