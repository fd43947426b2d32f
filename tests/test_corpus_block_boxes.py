"""Where one box ends and the next begins, on pages written by hand; baselines are given, sizes are 10 points."""

from __future__ import annotations

import pytest
from test_corpus_structure_tree import element, read, tagged_pdf

WIDTH_OF_WORD = 26.67  # "words" in Helvetica of 10 points


def line(content_id: int, x: float, y: float, size: float = 10) -> str:
    return f"/P << /MCID {content_id} >> BDC BT /F1 {size} Tf {x} {y} Td (words) Tj ET EMC\n"


def boxes(lines: list[tuple[float, float]], role: str) -> list[tuple[int, int, int]]:
    """Left edge, first and last baseline of each region of an element that holds these lines."""
    content = "".join(line(index, x, y) for index, (x, y) in enumerate(lines))
    kids = " ".join(map(str, range(len(lines))))
    regions = read(tagged_pdf(content, {10: element("Document", "[11 0 R]"), 11: element(role, f"[{kids}]")})).regions
    return [(round(r.box[0]), round(792 - r.box[1] - 9.2), round(792 - r.box[3] + 3.1)) for r in regions]


def test_a_jump_up_is_the_next_column():
    assert boxes([(72, 80), (72, 68), (320, 700), (320, 688)], "P") == [(72, 80, 68), (320, 700, 688)]


def test_a_superscript_is_no_jump():
    raised = line(0, 72, 700) + line(1, 100, 704, 6) + line(2, 110, 700) + line(3, 72, 688)
    page = read(tagged_pdf(raised, {10: element("P", "[0 1 2 3]")}))
    assert len(page.regions) == 1


def test_a_paragraph_that_a_figure_interrupts_has_a_box_on_each_side():
    lines = [(72, 700), (72, 688), (72, 600)]
    assert boxes(lines, "P") == [(72, 700, 688), (72, 600, 600)]
    assert boxes([(72, 700), (72, 676), (72, 652)], "P") == [(72, 700, 652)]  # double spacing is none


def test_a_list_keeps_together_what_stands_far_apart():
    assert boxes([(72, 700), (72, 640), (72, 500)], "L") == [(72, 700, 500)]


def test_words_without_a_paragraph_part_at_gaps_across_and_down():
    rows = [(72, 700), (72, 688), (72, 660), (200, 660), (300, 648)]
    assert boxes(rows, "NonStruct") == [(72, 700, 688), (72, 660, 660), (200, 660, 660), (300, 648, 648)]


def test_a_large_initial_and_its_paragraph_are_one():
    content = line(0, 72, 676, 40) + "".join(line(1 + i, 150, 700 - 12 * i) for i in range(3)) + line(4, 72, 664)
    assert len(read(tagged_pdf(content, {10: element("P", "[0 1 2 3 4]")})).regions) == 1


def test_bullets_belong_to_their_list_and_underlines_to_nobody():
    bullet = "/Lbl << /MCID 5 >> BDC 60 702 4 4 re f EMC\n"
    rule = "/Lbl << /MCID 6 >> BDC 40 698 300 1 re f EMC\n"
    elements = {10: element("L", "[11 0 R]"), 11: element("LI", "[5 0 6]")}
    (region,) = read(tagged_pdf(bullet + line(0, 72, 700) + rule, elements)).regions
    assert region.box[0] == pytest.approx(60) and region.box[2] == pytest.approx(72 + WIDTH_OF_WORD, abs=1)


def test_a_picture_that_nobody_called_a_figure_is_one():
    entries = "/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    image = f"<< {entries} /Length 1 >>\nstream\n0\nendstream"
    content = "/P << /MCID 0 >> BDC q 100 0 0 50 72 500 cm /X Do Q EMC"
    (region,) = read(tagged_pdf(content, {10: element("P", "0"), 20: image}, xobjects="/X 20 0 R")).regions
    assert region.label == "figure" and region.box == pytest.approx((72, 242, 172, 292), abs=0.1)


def test_turned_words_are_boxed_by_their_ink():
    content = "/P << /MCID 0 >> BDC BT /F1 10 Tf 0 1 -1 0 100 300 Tm (words) Tj ET EMC"
    (region,) = read(tagged_pdf(content, {10: element("P", "0")})).regions
    assert region.box[3] - region.box[1] > 20 > 10 > region.box[2] - region.box[0]


def test_a_table_s_head_that_is_repeated_untagged_is_the_table_s():
    cells = "".join(line(index, 80 + 100 * (index % 2), 600 - 18 * (index // 2)) for index in range(4))
    rules = "/Artifact BMC 76 630 200 .5 re f 76 612 200 .5 re f 76 576 200 .5 re f 176 576 .5 54 re f EMC\n"
    head = "/Artifact BMC BT /F1 10 Tf 80 618 Td (head) Tj ET EMC\n"
    running_head = "/Artifact BMC BT /F1 10 Tf 80 700 Td (journal) Tj ET 76 696 200 .5 re f EMC\n"
    page = read(tagged_pdf(running_head + head + cells + rules, {10: element("Table", "[0 1 2 3]")}))
    (table,) = page.regions
    assert table.box == pytest.approx((76, 792 - 630.5, 276, 792 - 576), abs=0.6)
