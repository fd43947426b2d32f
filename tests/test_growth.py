import json

import pytest

from layoutdeit.growth import Curve, plot, set_pages
from layoutdeit.pdf import open_document


def test_pages_have_the_size_the_number_and_the_paragraphs_asked_for(tmp_path):
    pytest.importorskip("typst", reason="no typst: install the extra 'corpus'")
    with open_document(set_pages(tmp_path / "a.pdf", num_regions=50, num_pages=3, width_mm=297)) as document:
        assert document.num_pages == 3
        assert document.page_size(0) == pytest.approx((297 / 25.4 * 72, 297 * 2**0.5 / 25.4 * 72), abs=0.1)
        assert sum(word.text.strip(".,") == "Lorem" for word in document.words(1)) == 50


def test_a_plot_has_a_panel_for_each_curve(tmp_path):
    pytest.importorskip("matplotlib", reason="no matplotlib: install the extra 'growth'")
    curves = [Curve(f"curve {index}", "x", "s", ["A4", "A3"], [0.1, 0.2]) for index in range(3)]
    plot(curves, tmp_path / "growth.svg", caption="a machine")
    assert (tmp_path / "growth.svg").read_text().count('id="axes_') == 4  # two by two, one of them empty


@pytest.mark.heavy
def test_the_command_measures_every_curve(tmp_path):
    """A minute: real pages, the shipped model, processes of their own."""
    pytest.importorskip("matplotlib", reason="no matplotlib: install the extra 'growth'")
    from layoutdeit.growth import main

    assert main(["--repeats", "1", "--out", str(tmp_path / "growth.png")]) == 0
    curves = json.loads((tmp_path / "growth.json").read_text())["curves"]
    assert len(curves) == 6 and all(min(curve["seconds"]) > 0 for curve in curves)
    documents = next(curve for curve in curves if curve["name"] == "Pages of a document")
    assert documents["seconds"][-1] > documents["seconds"][0]
