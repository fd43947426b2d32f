from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from layoutdeit.batch import Input, Results
from layoutdeit.bulk_document import (
    MAX_CHUNK_PAGES,
    BulkDocument,
    BulkTask,
    chunks,
    documents_of,
    runs,
    stores_of_other_settings,
)
from layoutdeit.ledger import DocumentFailure, Written

NUMBERS = st.sets(st.integers(1, 60)).map(sorted)


def document(tmp_path: Path, name: str = "a.pdf", sha256: str = "1" * 64, settings: str = "s1") -> BulkDocument:
    found = BulkDocument(0, Input(Path("in", name), Path(name)), tmp_path / "deep" / "a", name)
    found.identify(sha256, settings, tmp_path / ".pages")
    return found


@given(NUMBERS)
def test_runs_are_the_same_numbers(numbers):
    ranges = list(runs(numbers))
    assert [number for first, end in ranges for number in range(first, end)] == numbers
    assert all(end < following for (_, end), (following, _) in zip(ranges, ranges[1:], strict=False))


@given(NUMBERS, st.integers(1, 16))
def test_chunks_hold_all_pages_in_order_and_are_small(numbers, num_workers):
    pieces = list(chunks(numbers, num_workers))
    assert [number for piece in pieces for number in piece] == numbers
    assert all(1 <= len(piece) <= MAX_CHUNK_PAGES for piece in pieces)
    assert len(pieces) >= min(len(numbers), num_workers)  # each process has some


def test_store_is_that_of_one_document_under_one_name_with_one_model(tmp_path):
    paths = {
        document(tmp_path).store_path,
        document(tmp_path, name="b.pdf").store_path,
        document(tmp_path, sha256="2" * 64).store_path,
        document(tmp_path, settings="s2").store_path,
        document(tmp_path, name="\udcff.pdf").store_path,
    }
    assert len(paths) == 5 and document(tmp_path).store_path in paths


def test_stores_of_other_settings_are_told_apart(tmp_path):
    kept, old, other = document(tmp_path), document(tmp_path, settings="s2"), document(tmp_path, name="b.pdf")
    for item in (kept, old, other):
        item.store_path.parent.mkdir(exist_ok=True)
        item.store_path.touch()
    found = stores_of_other_settings(tmp_path / ".pages", "s1")
    assert found == {kept.store_path.stem.partition("-")[0]: [old.store_path]}
    assert stores_of_other_settings(tmp_path / "none", "s1") == {}


def test_documents_that_share_a_name_go_by_their_places():
    inputs = [Input(Path(folder, "x.pdf"), Path("x.pdf")) for folder in "ab"] + [Input(Path("c/y.pdf"), Path("y.pdf"))]
    documents = documents_of(inputs, [Path("x"), Path("x-2"), Path("y")])
    assert [item.name for item in documents] == ["a/x.pdf", "b/x.pdf", "y.pdf"]
    for item in documents:
        item.identify("1" * 64, "s1", Path(".pages"))
    assert len({item.store_path for item in documents}) == len({item.key for item in documents}) == 3


def test_results_count_where_they_are_what_is_asked_for_and_there(tmp_path):
    item, task = document(tmp_path), BulkTask(("json", "csv"), (range(1, 4), range(7, 8)))
    asked = item.asked(task, tmp_path)
    assert asked == "json,csv; pages 1-3,7-7; deep/a"
    (tmp_path / "a.json").touch()
    assert item.is_written(Written(asked, ("a.json",)), task, Results(tmp_path))
    assert not item.is_written(Written(asked, ("a.json", "a.csv")), task, Results(tmp_path))
    assert not item.is_written(Written(asked, ("a.json",)), BulkTask(("json",)), Results(tmp_path))
    assert not item.is_written(DocumentFailure("io", asked), task, tmp_path) and not item.is_written(
        None, task, tmp_path
    )
