import json
import multiprocessing
import shutil
from dataclasses import fields

import numpy as np
import pytest
from detector_fixtures import write_tree

from layoutdeit import annotation_cache
from layoutdeit.annotation_cache import FOLDER, read_annotations


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    path = write_tree(tmp_path / "tree") / "train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segmentation"] = [[1.5, 2, 30, 2, 30, 12]]
    path.write_text(json.dumps(content))
    return path


def assert_same(first, second):
    for field in fields(first):
        if field.name in ("points", "folder"):
            continue
        mine, theirs = getattr(first, field.name), getattr(second, field.name)
        assert mine == theirs if field.name == "report" else np.array_equal(mine, theirs), field.name
    for row in range(len(first.labels)):
        assert [p.tolist() for p in first.outline(row)] == [p.tolist() for p in second.outline(row)]


def folders(path):
    return sorted(folder.name for folder in (path.parent / FOLDER).iterdir())


def test_a_kept_file_is_read_once_and_equal(tree, monkeypatch):
    parsed = read_annotations(tree)
    assert not (tree.parent / FOLDER).exists()  # small: nothing is left beside it
    kept = read_annotations(tree, cache_from_bytes=0)
    assert_same(kept, parsed)
    assert isinstance(kept.boxes, np.memmap) and len(folders(tree)) == 1

    def refuse(*_):
        raise AssertionError("parsed again")

    monkeypatch.setattr(annotation_cache, "parse_annotations", refuse)
    assert_same(read_annotations(tree, cache_from_bytes=0), parsed)


def test_a_changed_file_is_read_again_and_the_old_cache_goes(tree):
    read_annotations(tree, cache_from_bytes=0)
    before = folders(tree)
    content = json.loads(tree.read_text())
    content["annotations"] = content["annotations"][:2]
    tree.write_text(json.dumps(content))
    assert len(read_annotations(tree, cache_from_bytes=0).labels) == 2
    assert len(folders(tree)) == 1 and folders(tree) != before


def test_other_code_reads_again(tree, monkeypatch, tmp_path):
    read_annotations(tree, cache_from_bytes=0)
    before = folders(tree)
    changed = tmp_path / "changed.py"
    changed.write_text("# another reader")
    monkeypatch.setattr(annotation_cache.coco_json, "__file__", str(changed))
    read_annotations(tree, cache_from_bytes=0)
    assert folders(tree) != before


@pytest.mark.parametrize("damage", ["points", "array", "report"])
def test_a_damaged_cache_is_made_again(tree, damage, caplog):
    parsed = read_annotations(tree)
    read_annotations(tree, cache_from_bytes=0)
    (folder,) = (tree.parent / FOLDER).iterdir()
    victim = {"points": "points.float32", "array": "boxes.npy", "report": "report.json"}[damage]
    (folder / victim).write_bytes((folder / victim).read_bytes()[:-5])
    assert_same(read_annotations(tree, cache_from_bytes=0), parsed)
    assert "damaged" in caplog.text


def test_where_the_tree_is_read_only_the_users_folder_keeps_it(tree, tmp_path):
    (tree.parent / FOLDER).write_text("no folder can be made here")  # root may write anywhere: a file is in the way
    annotations = read_annotations(tree, cache_from_bytes=0)
    assert len(annotations) == 6
    (folder,) = (tmp_path / "user" / "layoutdeit").iterdir()
    assert folder == annotations.folder


def test_a_broken_json_leaves_nothing_behind(tree):
    tree.write_text(tree.read_text()[:-100])
    with pytest.raises(ValueError, match="ends too early"):
        read_annotations(tree, cache_from_bytes=0)
    assert folders(tree) == []


def boxes_seen(annotations, queue):
    queue.put((type(annotations.boxes).__name__, annotations.boxes.tolist(), annotations.outline(0)[0].tolist()))


def test_a_loader_process_maps_the_arrays_again(tree):
    annotations = read_annotations(tree, cache_from_bytes=0)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=boxes_seen, args=(annotations, queue))
    process.start()
    kind, boxes, outline = queue.get(timeout=120)
    process.join()
    assert kind == "memmap" and boxes == annotations.boxes.tolist()
    assert outline == annotations.outline(0)[0].tolist()


def test_outlines_stay_readable_when_another_run_clears_the_folder(tree):
    annotations = read_annotations(tree, cache_from_bytes=0)
    expected = annotations.outline(0)[0].tolist()
    shutil.rmtree(annotations.folder)
    assert annotations.outline(0)[0].tolist() == expected
