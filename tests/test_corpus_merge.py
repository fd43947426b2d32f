import json
from pathlib import Path

import pytest
from page_records import read_records
from PIL import Image

from layoutdeit.corpus.__main__ import main
from layoutdeit.corpus.merge import merge_trees
from layoutdeit.corpus.page_tree import PictureRecord, write_annotations
from layoutdeit.corpus.tree_check import check_split


def tree_of(folder: Path, names: list[str], label: str) -> Path:
    """A tree with a box on each page; the second page is a folder down."""
    for name in names:
        (folder / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 80), "white").save(folder / "train" / name)
    write_annotations([PictureRecord(name, 60, 80, ((label, (1, 2, 30, 40)),)) for name in names], folder, "train")
    return folder


def test_pages_of_all_trees_with_their_own_boxes(tmp_path):
    mine = tree_of(tmp_path / "mine", ["a.png", "deep/b.png", "deep-b.png"], "list")
    made = tree_of(tmp_path / "made", ["a.png"], "text")
    assert merge_trees([mine, made], tmp_path / "both") == 4
    records = read_records(tmp_path / "both", "train")
    assert [(r.file_name, r.regions[0][0]) for r in records] == [
        ("1/a.png", "list"),
        ("1/deep/b.png", "list"),
        ("1/deep-b.png", "list"),
        ("2/a.png", "text"),
    ]
    assert all((tmp_path / "both" / "train" / record.file_name).is_file() for record in records)
    assert check_split(tmp_path / "both", "train", num_pictures=0).is_sound
    content = json.loads((tmp_path / "both" / "train.json").read_text())
    assert [item["id"] for item in content["annotations"]] == [1, 2, 3, 4]
    assert merge_trees([mine, made], tmp_path / "both") == 4  # the same again


def test_trees_are_told_by_their_place_and_not_by_what_was_typed(tmp_path, monkeypatch):
    for side in ("a", "b"):
        tree_of(tmp_path / side / "mine", ["a.png"], "list")
    monkeypatch.chdir(tmp_path / "a")
    merge_trees([Path("mine")], tmp_path / "both")
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(ValueError, match="holds pages already"):
        merge_trees([Path("mine")], tmp_path / "both")


def test_pictures_that_are_links_are_there_too(tmp_path):
    mine = tree_of(tmp_path / "mine", ["a.png"], "list")
    (mine / "train" / "a.png").rename(tmp_path / "kept.png")
    (mine / "train" / "a.png").symlink_to("../../kept.png")
    assert merge_trees([mine], tmp_path / "out") == 1
    assert (tmp_path / "out" / "train" / "1" / "a.png").read_bytes() == (tmp_path / "kept.png").read_bytes()


def test_what_is_there_is_not_replaced(tmp_path):
    mine, made = tree_of(tmp_path / "mine", ["a.png"], "list"), tree_of(tmp_path / "made", ["b.png"], "text")
    before = (mine / "train.json").read_bytes()
    with pytest.raises(ValueError, match="holds pages already"):
        merge_trees([mine, made], mine)
    assert (mine / "train.json").read_bytes() == before and not (mine / "train" / "2").exists()


def test_missing_split_other_categories_and_odd_names_are_said(tmp_path):
    mine = tree_of(tmp_path / "mine", ["a.png"], "list")
    with pytest.raises(FileNotFoundError, match="every tree must have that split"):
        merge_trees([mine, tmp_path], tmp_path / "out")
    content = json.loads((mine / "train.json").read_text())
    (mine / "train.json").write_text(json.dumps({**content, "categories": [{"id": 1, "name": "cat"}]}))
    with pytest.raises(ValueError, match="other categories"):
        merge_trees([mine], tmp_path / "out")
    (mine / "train.json").write_text(json.dumps({key: content[key] for key in ("images", "annotations")}))
    assert merge_trees([mine], tmp_path / "unnamed") == 1  # PubLayNet's, as training takes it
    content["images"][0]["file_name"] = "../../a.png"
    (mine / "train.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="outside its folder"):
        merge_trees([mine], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting"),
        ("[]", "no attribute"),
        ('{"annotations": []}', "without 'images'"),
        ('{"images": [{"id": 1}]}', "pictures without id or file_name"),
        ('{"images": [], "annotations": [{"id": 1}]}', "boxes without image_id"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, content, reason):
    mine = tree_of(tmp_path / "mine", ["a.png"], "list")
    (mine / "train.json").write_text(content)
    with pytest.raises(ValueError, match=f"mine/train.json is no COCO annotation file: .*{reason}"):
        merge_trees([mine], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pages_without_any_box_are_pages(tmp_path):
    mine = tree_of(tmp_path / "mine", ["a.png"], "list")
    content = json.loads((mine / "train.json").read_text())
    (mine / "train.json").write_text(json.dumps({"images": content["images"]}))
    assert merge_trees([mine], tmp_path / "out") == 1
    assert not read_records(tmp_path / "out", "train")[0].regions


def test_command_line(tmp_path, capsys):
    mine = tree_of(tmp_path / "mine", ["a.png"], "list")
    made = tree_of(tmp_path / "made", ["b.png"], "text")
    assert main(["merge", str(mine), str(made), "-o", str(tmp_path / "both")]) == 0
    assert "2 pages of 2 trees" in capsys.readouterr().out
    assert main(["merge", str(mine), str(tmp_path), "-o", str(tmp_path / "other")]) != 0
    assert "train.json is missing" in capsys.readouterr().err
