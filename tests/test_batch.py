import errno
import os
import sys
from pathlib import Path

import pytest
from handmade_pdf import Sheet, make_pdf
from hypothesis import given, settings
from hypothesis import strategies as st

from layoutdeit.batch import (
    Input,
    failed_file,
    find_inputs,
    parse_pages,
    plan_targets,
    run_batch,
    select_pages,
    shown,
)
from layoutdeit.layout import ModelInfo, PageLayout
from layoutdeit.pdf import open_document

NAME = st.sampled_from(["x.pdf", "X.PDF", "y.pdf", "x", "x-2.pdf", "x.pdf.pdf"])
FOLDER = st.sampled_from(["a", "b", "a/c", "A", "x"])


def touch(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def names_of(inputs: list[Input], out: Path) -> list[str]:
    return [target.relative_to(out).as_posix() for target in plan_targets(inputs, out)]


def test_folders_are_searched_for_pdfs(tmp_path):
    touch(tmp_path, "b.pdf", "a.PDF", "deep/er/c.pdf", "note.txt", ".hidden.pdf", ".trash/d.pdf", "b.annotated.pdf")
    assert [item.relative.as_posix() for item in find_inputs([tmp_path])] == ["a.PDF", "b.pdf", "deep/er/c.pdf"]


def test_each_file_comes_once_and_results_never(tmp_path):
    path, _ = touch(tmp_path, "a.pdf", "out/b.pdf")
    assert [item.path for item in find_inputs([path, tmp_path], out_dir=tmp_path / "out")] == [path]
    assert len(find_inputs([tmp_path], out_dir=tmp_path)) == 2


def test_files_given_are_taken_as_they_are(tmp_path):
    text, missing = tmp_path / "note.txt", tmp_path / "none.pdf"
    text.touch()
    assert [item.path for item in find_inputs([text, missing])] == [text, missing]


def test_targets_are_stems_below_their_folder(tmp_path):
    touch(tmp_path, "scans/one.pdf", "scans/sub/two.v1.pdf", "three.pdf")
    inputs = find_inputs([tmp_path / "three.pdf", tmp_path / "scans"])
    assert names_of(inputs, Path("out")) == ["three", "one", "sub/two.v1"]


def test_equal_stems_keep_their_folders(tmp_path):
    inputs = find_inputs(touch(tmp_path, "a/x.pdf", "b/x.pdf", "a/y.pdf"))
    assert names_of(inputs, Path("out")) == ["a/x", "b/x", "y"]


def test_equal_paths_of_two_folders_are_told_apart(tmp_path):
    touch(tmp_path, "m/sub/x.pdf", "n/sub/x.pdf")
    assert names_of(find_inputs([tmp_path / "m", tmp_path / "n"]), Path("out")) == ["m/sub/x", "n/sub/x"]


@settings(deadline=None)
@given(st.lists(st.tuples(FOLDER, NAME).map("/".join), unique=True, max_size=8), st.booleans())
def test_no_two_inputs_share_a_target(paths, from_folder):
    inputs = [Input(Path("/in", path), Path(path if from_folder else Path(path).name)) for path in paths]
    targets = plan_targets(inputs, Path("/out"))
    assert len({str(target).casefold() for target in targets}) == len(inputs)
    assert all(Path("/out") in target.parents and ".." not in target.parts for target in targets)


def test_many_alike_take_no_time(tmp_path):
    inputs = [Input(Path(f"/in/{number}/x.pdf"), Path("x.pdf")) for number in range(300)]
    assert names_of(inputs, Path("out"))[:2] == ["0/x", "1/x"]


@pytest.mark.parametrize(
    ("text", "pages"),
    [("1", [1]), ("1-3,7", [1, 2, 3, 7]), ("7, 1 - 2", [1, 2, 7]), ("9-", [9, 10]), ("2,2,1-3", [1, 2, 3])],
)
def test_page_ranges(text, pages):
    assert select_pages(parse_pages(text), 10) == pages


def test_pages_beyond_the_end_are_left_out_however_many():
    assert select_pages(parse_pages("2-999999999,5-"), 3) == [2, 3]
    assert select_pages(parse_pages("8"), 3) == []
    assert select_pages(None, 3) == [1, 2, 3]


@pytest.mark.parametrize("text", ["", "0", "3-1", "a", "1;2", "-3", "1,", "1--2", "1.5", "1-2-3", "9" * 30])
def test_bad_page_ranges_are_errors(text):
    with pytest.raises(ValueError, match="cannot read"):
        parse_pages(text)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any bytes as names")
def test_name_that_is_no_unicode(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.pdf"))
    path.touch()
    assert len(plan_targets(find_inputs([tmp_path]), tmp_path)) == 1


@pytest.mark.parametrize("name", ["...pdf", "..pdf", ".pdf", "....pdf"])
def test_names_of_dots_stay_in_the_output_folder(tmp_path, name):
    (target,) = plan_targets(find_inputs(touch(tmp_path, name)), tmp_path / "out")
    assert target.parent == tmp_path / "out" and target.name not in ("", ".", "..")


def test_folders_are_searched_for_scans_too(tmp_path):
    touch(tmp_path, "a.JPG", "b.png", "c.tiff", "d.gif", "e/f.tif")
    assert [item.relative.as_posix() for item in find_inputs([tmp_path])] == ["a.JPG", "b.png", "c.tiff", "e/f.tif"]


def test_pictures_written_beside_a_document_are_no_inputs(tmp_path):
    touch(tmp_path, "x.pdf", "x/page-0001.png", "x/coco/image-0001.png", "y/page-0001.png")
    found = find_inputs([tmp_path], out_dir=tmp_path)
    assert [item.relative.as_posix() for item in found] == ["x.pdf", "y/page-0001.png"]
    assert len(find_inputs([tmp_path])) == len(find_inputs([tmp_path], out_dir=tmp_path / "else")) == 4
    touch(tmp_path, "x.annotated.pdf")  # the mark of an earlier run
    for out in (None, tmp_path / "else"):
        found = find_inputs([tmp_path], out_dir=out)
        assert [item.relative.as_posix() for item in found] == ["x.pdf", "y/page-0001.png"]


def test_a_name_that_begins_as_a_home_does_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("~draft.pdf").write_bytes(make_pdf(Sheet()))
    with open_document("~draft.pdf") as document:
        assert document.num_pages == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_to_themselves_cost_only_themselves(tmp_path):
    (tmp_path / "loop.pdf").symlink_to("loop.pdf")
    (tmp_path / "a.pdf").touch()
    [found] = find_inputs([tmp_path], out_dir=tmp_path / "out")
    assert found.relative == Path("a.pdf")
    assert len(find_inputs([tmp_path / "loop.pdf", tmp_path / "a.pdf"])) == 2
    with pytest.raises(OSError, match="symbolic links"):
        open_document(tmp_path / "loop.pdf")


def test_the_place_of_a_result_is_named_and_not_its_temporary_file():
    item = Input(Path("a.pdf"), Path("a.pdf"))
    error = OSError(errno.EISDIR, "Is a directory", "out/.tmp123", None, "out/a.json")
    assert failed_file(item, error).message == "out/a.json: Is a directory."


def test_empty_name_is_not_the_current_folder():
    with pytest.raises(ValueError, match="empty name"):
        find_inputs(["a.pdf", ""])


@pytest.mark.parametrize("out", [".", "..", "in/out"])
def test_results_may_go_around_the_inputs(tmp_path, monkeypatch, out):
    touch(tmp_path / "here", "in/a.pdf", "in/out/a.png")
    monkeypatch.chdir(tmp_path / "here")
    found = [item.relative.as_posix() for item in find_inputs(["in"], out_dir=Path(out))]
    assert found == (["a.pdf"] if out == "in/out" else ["a.pdf", "out/a.png"])


def test_name_that_is_taken_is_given_to_no_document(tmp_path):
    inputs = find_inputs(touch(tmp_path, "ledger.pdf", "Ledger.png", "a.pdf"))
    names = [target.name for target in plan_targets(inputs, Path(), reserved=("ledger",))]
    assert "a" in names and len({name.casefold() for name in names} - {"ledger"}) == 3


def test_paths_are_shown_on_one_line_in_any_encoding():
    assert shown(Path("a\nb\x1b[31m/ü.pdf")) == "a\\nb\\x1b[31m/ü.pdf"
    assert shown(Path("\udcff.pdf")).encode("utf-8") == b"\\xff.pdf"


class Failing:
    """An analyzer that raises what nobody expects on documents of two pages."""

    info = ModelInfo("none", "", "none")

    def analyze_pages(self, document, numbers):
        if document.num_pages == 2:
            raise RuntimeError("out of luck")
        return iter([PageLayout(1, 612, 792, seconds=0.0)])


def test_whatever_a_file_provokes_the_others_go_on(tmp_path):
    names = ["a.pdf", "b.pdf", "c.pdf"]
    for name, num_pages in zip(names, (1, 2, 1), strict=True):
        (tmp_path / name).write_bytes(make_pdf(*[Sheet()] * num_pages))
    inputs = find_inputs([tmp_path / name for name in names])
    failures = run_batch(Failing(), inputs, plan_targets(inputs, tmp_path / "out"), ["json"])
    assert [(failure.source.name, failure.code) for failure in failures] == [("b.pdf", "corrupt")]
    assert "out of luck" in failures[0].message
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.json", "c.json"]
