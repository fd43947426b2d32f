from layoutdeit.reading import Word
from layoutdeit.table_cells import table_cells


def line(y: float, *words: tuple[float, str]) -> list[Word]:
    """Words at their left edges, 5 points a letter, 10 high."""
    return [Word(text, (x, y, x + 5 * len(text), y + 10), 12.0) for x, text in words]


ROWS = [
    *line(0, (0, "Drug"), (60, "Mean"), (83, "dose"), (140, "N")),
    *line(14, (0, "Aspirin"), (60, "12.5"), (140, "30")),
    *line(28, (0, "Heparin"), (140, "4")),
    *line(42, (0, "No"), (13, "drug"), (60, "0"), (140, "122")),
]
BOX = (0, 0, 200, 60)


def test_columns_are_parted_by_white_and_empty_cells_stay():
    assert table_cells(BOX, ROWS) == (
        ("Drug", "Mean dose", "N"), ("Aspirin", "12.5", "30"), ("Heparin", "", "4"), ("No drug", "0", "122"),
    )  # fmt: skip


def test_columns_of_lines_from_right_to_left_are_parted_too():
    """Words of a cell stay as they are read, columns are left to right."""
    rows = [
        *line(0, (0, "\u05d2"), (60, "\u05d9\u05d5\u05dd"), (80, "\u05d1"), (140, "\u05d0")),
        *line(14, (0, "\u05e0\u05e1"), (60, "\u05d7\u05d8"), (140, "\u05d3\u05d4")),
        *line(28, (0, "12"), (60, "\u05d7"), (140, "\u05d3\u05d4\u05d5")),
    ]
    assert table_cells(BOX, rows) == (
        ("\u05d2", "\u05d1 \u05d9\u05d5\u05dd", "\u05d0"),
        ("\u05e0\u05e1", "\u05d7\u05d8", "\u05d3\u05d4"),
        ("12", "\u05d7", "\u05d3\u05d4\u05d5"),
    )


def test_right_aligned_numbers_are_one_column():
    rows = [*line(0, (0, "a"), (100, "1")), *line(14, (0, "b"), (90, "123")), *line(28, (0, "c"), (80, "12345"))]
    assert table_cells(BOX, rows) == (("a", "1"), ("b", "123"), ("c", "12345"))


def test_a_large_table_of_ragged_columns_is_no_work():
    """6,000 gaps, no two alike: each place was once tried against all rows."""
    rows = [word for y in range(300)
            for word in line(14 * y, *((40 * x + (7 * y + 3 * x) % 11 / 10, "ab") for x in range(20)))]  # fmt: skip
    cells = table_cells((-5, -5, 900, 5000), rows)
    assert (
        len(cells) == 300 and {len(row) for row in cells} == {20} and {cell for row in cells for cell in row} == {"ab"}
    )


def test_pages_of_countless_rows_and_gaps_are_no_work():
    """Each gap in each row was once kept: gigabytes for a page that means harm."""
    word = [Word("w", (20 * x, y / 10, 20 * x + 5, y / 10 + 0.05), 0.05) for y in range(1200) for x in range(2)]
    assert table_cells((-5, -5, 900, 500), word) is None
    wide = [
        Word("w", (x + y / 7, 14 * y, x + y / 7 + 1, 14 * y + 10), 12.0)
        for y in range(200)
        for x in range(0, 14000, 99)
    ]
    assert table_cells((-5, -5, 15000, 5000), wide) is None or len(table_cells((-5, -5, 15000, 5000), wide)) == 200
    assert table_cells(BOX, [*line(0, (0, "one")), *line(14, (0, "word")), *line(28, (0, "each"))]) is None


def test_a_heading_across_columns_stands_in_the_first_of_them():
    rows = [*line(0, (60, "Mean"), (83, "and"), (101, "standard"), (144, "error")), *ROWS[3:]]
    lines = [line(shift, (0, "Aspirin"), (60, "12.5"), (140, "30")) for shift in (14, 28, 42, 56, 70, 84)]
    many = [word for words in lines for word in words]
    table = table_cells((0, 0, 200, 120), [*rows[:4], *many])
    assert table[0] == ("", "Mean and standard error", "") and table[1] == ("Aspirin", "12.5", "30")


def test_only_words_inside_the_box_count():
    assert table_cells(BOX, [*ROWS, *line(300, (0, "far"), (60, "away"))]) == table_cells(BOX, ROWS)


def test_running_text_and_few_words_are_no_table():
    prose = [word for y in (0, 14, 28) for word in line(y, (0, "running"), (38, "text"), (61, "goes"), (84, "on"))]
    assert table_cells(BOX, prose) is None
    assert table_cells(BOX, []) is None
    assert table_cells(BOX, line(0, (0, "one"), (100, "row"))) is None


def test_one_cell_across_columns_does_not_join_them_in_a_small_table():
    """Seen in a real document: one currency of two countries made one column of both."""
    rows = [
        *line(0, (60, "Germany"), (120, "Austria"), (180, "France")),
        *line(14, (0, "Capital"), (60, "Berlin"), (120, "Vienna"), (180, "Paris")),
        *line(28, (0, "Money"), (60, "Mark"), (138, "EUR"), (156, "(both)")),
        *line(42, (0, "People"), (60, "83"), (120, "9"), (180, "67")),
    ]
    table = table_cells((0, 0, 250, 60), rows)
    assert [len(row) for row in table] == [4] * 4
    assert table[2] == ("Money", "Mark", "EUR (both)", "") and table[3] == ("People", "83", "9", "67")


def test_a_long_name_close_to_its_number_is_parted_where_the_number_stands_in_its_column():
    """Also seen in a real paper, in the row of the winner, which is set in bold."""
    names = [("Simo", 0), ("TAL", 14), ("BIT", 28), ("Davar-Lab-OCR", 42)]
    rows = [word for name, y in names for word in line(y, (0, name), (68, "0.98"), (100, "0.91"))]
    assert table_cells((0, 0, 200, 60), rows) == tuple((name, "0.98", "0.91") for name, _ in names)


def test_values_and_their_deviations_are_one_cell_however_well_they_are_aligned():
    rows = [word for y in range(0, 70, 14) for word in line(y, (0, "name"), (60, "1.42"), (84, "(0.95)"), (140, "7"))]
    assert table_cells((0, 0, 200, 80), rows) == (("name", "1.42 (0.95)", "7"),) * 5
    rows = [*line(0, (0, "Mice"), (60, "n"), (69, "(%)"), (140, "N")), *rows[4:]]
    assert table_cells((0, 0, 200, 80), rows)[0] == ("Mice", "n (%)", "N")
