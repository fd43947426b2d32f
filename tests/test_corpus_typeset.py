"""Pages set with Typst: the same for any number of workers, with boxes inside the page."""

from __future__ import annotations

import functools
import json
import random
import subprocess
import sys

import pytest
from page_records import read_records

pytest.importorskip("typst")

from layoutdeit.corpus import journal_families, typeset  # noqa: E402
from layoutdeit.corpus.__main__ import main  # noqa: E402
from layoutdeit.corpus.contact_sheet import contact_sheet  # noqa: E402
from layoutdeit.corpus.journal_families import FAMILY_WEIGHTS, families_without  # noqa: E402
from layoutdeit.corpus.merge import merge_trees  # noqa: E402
from layoutdeit.corpus.prose import Prose, escape  # noqa: E402
from layoutdeit.corpus.tagged_pdf import TaggedPage, TaggedRegion  # noqa: E402
from layoutdeit.corpus.templates import document_markup  # noqa: E402
from layoutdeit.labels import LABELS  # noqa: E402


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree_dir = tmp_path_factory.mktemp("corpus")
    typeset.make_corpus(typeset.CorpusJob(14, tree_dir, seed=3))
    return tree_dir


def test_tree_has_publaynets_shape(tree):
    content = json.loads((tree / "train.json").read_text())
    assert len(content["images"]) == 14
    assert {image["file_name"] for image in content["images"]} == {path.name for path in (tree / "train").iterdir()}
    assert [(c["id"], c["name"]) for c in content["categories"]] == [(label.id, label.name) for label in LABELS]
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for item in content["annotations"]:
        x, y, w, h = item["bbox"]
        width, height = sizes[item["image_id"]]
        assert w > 0 and h > 0 and x >= 0 and y >= 0
        assert x + w <= width + 0.01 and y + h <= height + 0.01
        assert item["area"] == pytest.approx(w * h, abs=0.01)
        assert len(item["segmentation"][0]) == 8
        assert item["iscrowd"] == 0
    assert len({item["id"] for item in content["annotations"]}) == len(content["annotations"])
    origin = json.loads((tree / "corpus.json").read_text())["train"]
    assert origin["seed"] == 3 and origin["fonts"]


def test_pages_are_equal_for_any_number_of_workers(tree, tmp_path):
    typeset.make_corpus(typeset.CorpusJob(10, tmp_path, seed=3, workers=2))
    made = sorted((tmp_path / "train").iterdir())
    assert len(made) == 10
    for path in made:
        assert path.read_bytes() == (tree / "train" / path.name).read_bytes()
    assert read_records(tmp_path, "train") == read_records(tree, "train")[:10]


def test_pictures_of_a_merged_tree_stay_when_pages_are_made_anew(tmp_path, monkeypatch):
    """The same command gives other pages on a machine with other fonts."""
    for jpeg in (b"before", b"after"):
        page = typeset.PicturedPage(jpeg, 60, 80, ())
        monkeypatch.setattr(typeset, "sheet_pages", lambda *_, page=page: [page])
        typeset.make_corpus(typeset.CorpusJob(1, tmp_path / "made"))
        if jpeg == b"before":
            merge_trees([tmp_path / "made"], tmp_path / "both")
    [made], [merged] = ((tmp_path / name / "train").rglob("*.jpg") for name in ("made", "both"))
    assert (made.read_bytes(), merged.read_bytes()) == (b"after", b"before")


def test_other_seeds_give_other_pages():
    assert typeset.sheet_pages(1, 0)[0].jpeg != typeset.sheet_pages(2, 0)[0].jpeg


@pytest.mark.parametrize("family", sorted(FAMILY_WEIGHTS))
def test_each_family_compiles(family):
    for seed in range(2):
        markup = document_markup(random.Random(seed), typeset.installed_families(), 2, (family,))
        assert typeset.set_pdf(markup).startswith(b"%PDF")


def test_overflowing_pages_are_turned_down():
    lines = tuple(TaggedRegion("text", (50, y, 250, y + 12)) for y in (40, 51, 62))
    assert typeset.is_sound(TaggedPage(300, 400, lines))
    assert typeset.is_sound(TaggedPage(300, 400, ()))
    assert not typeset.is_sound(TaggedPage(300, 400, (*lines, TaggedRegion("table", (50, 30, 250, 60)))))
    assert not typeset.is_sound(TaggedPage(300, 400, (TaggedRegion("text", (50, 300, 250, 399)),)))


def test_wrong_jobs_say_what_is_wrong(tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        typeset.CorpusJob(0, tmp_path)
    with pytest.raises(ValueError, match="use some of free"):
        typeset.CorpusJob(5, tmp_path, template_families=("nature",))


def test_escaped_text_is_shown_as_it_is():
    rng = random.Random(0)
    for text in ("- 5 * [a] #b $c$ <d> @e ~f _g_", "= head", "//x -- y", "", "1/2", "+"):
        assert typeset.set_pdf(escape(text))
    assert len(Prose(rng).paragraph_markup(80).split()) >= 80


def test_contact_sheet_draws_pages(tree):
    records = read_records(tree, "train")
    sheet = contact_sheet(records[:3], tree / "train", num_columns=2, page_width=100)
    assert sheet.width == 2 * 106


def test_command_line_needs_no_torch_and_answers_at_once():
    code = "import sys, layoutdeit.corpus.__main__; print([n for n in ('torch', 'numpy', 'typst') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_family_held_out_is_on_no_page(tmp_path, monkeypatch):
    """The pages of a tree without a family come from the others, each of which is drawn; the tree records them."""
    drawn = set()
    for name, bend in journal_families._BENDS.copy().items():
        monkeypatch.setitem(journal_families._BENDS, name, functools.partial(_noting, drawn, name, bend))
    assert main(["make", "90", "-o", str(tmp_path), "--without", "plos,free", "--seed", "5"]) == 0
    assert drawn == set(FAMILY_WEIGHTS) - {"plos", "free"}
    origin = json.loads((tmp_path / "corpus.json").read_text())["train"]
    assert origin["families"] == ["hindawi", "bmc", "mdpi", "elsevier", "oxford"]


def _noting(drawn, name, bend, *arguments):
    drawn.add(name)
    return bend(*arguments)


def test_families_to_draw_and_to_hold_out():
    assert families_without(["plos"], ["plos", "mdpi"]) == ("mdpi",)
    assert families_without([]) == tuple(FAMILY_WEIGHTS)
    with pytest.raises(ValueError, match="unknown template families .'nature'."):
        families_without(["nature"])
    with pytest.raises(ValueError, match="no template family stays: mdpi are held out"):
        families_without(["mdpi"], ["mdpi"])


def test_pages_of_another_seed_do_not_take_the_place_of_those_there(tmp_path):
    typeset.make_corpus(typeset.CorpusJob(1, tmp_path, seed=3))
    with pytest.raises(ValueError, match="holds pages already"):
        typeset.make_corpus(typeset.CorpusJob(1, tmp_path, seed=4))
    assert len(typeset.make_corpus(typeset.CorpusJob(2, tmp_path, seed=3))) == 2  # more of the same
