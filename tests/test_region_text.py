from layoutdeit.layout import Region
from layoutdeit.reading import Word
from layoutdeit.region_text import read_regions

WORDS = [
    Word("A", (0, 0, 5, 10), 12.0), Word("1", (100, 0, 105, 10), 12.0),
    Word("B", (0, 14, 5, 24), 12.0), Word("2", (100, 14, 105, 24), 12.0),
]  # fmt: skip


def test_regions_get_text_size_and_cells():
    box = (0.0, 0.0, 200.0, 30.0)
    table, text = read_regions([Region("table", 0.9, box), Region("text", 0.9, box)], WORDS)
    assert table.text == text.text == "A 1\nB 2" and table.print_size == text.print_size == 12
    assert table.cells == (("A", "1"), ("B", "2")) and text.cells is None


def test_without_a_text_layer_nothing_is_known():
    (region,) = read_regions([Region("table", 0.9, (0, 0, 200, 30))], [])
    assert region.text is None and region.print_size is None and region.cells is None
    assert read_regions([], WORDS) == ()


def test_a_text_around_two_columns_is_read_column_by_column():
    words = [
        Word(f"{side}{row}{place}", (x + 30 * place, 14 * row, x + 30 * place + 25, 14 * row + 10), 12.0)
        for row in range(3) for side, x in (("l", 0), ("r", 150)) for place in range(4)
    ]  # fmt: skip
    text, title = read_regions([Region(label, 0.9, (0, 0, 300, 60)) for label in ("text", "title")], words)
    assert [line[0] for line in text.text.split("\n")] == ["l"] * 3 + ["r"] * 3
    assert len(title.text.split("\n")) == 3
