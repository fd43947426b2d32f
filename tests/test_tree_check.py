import json
import subprocess
import sys

import pytest
from detector_fixtures import write_tree

from layoutdeit.corpus.__main__ import main
from layoutdeit.corpus.tree_check import check_split, describe, find_splits, picture_records


def test_a_sound_tree_is_said_to_be_sound(tmp_path, capsys):
    root = write_tree(tmp_path)
    write_tree(tmp_path, split="val", num_pages=3)
    assert find_splits(root) == ["train", "val"]
    assert main(["check", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "train:" in printed and "val:" in printed and "pages 6, boxes 15" in printed
    assert printed.rstrip().endswith("nothing is wrong")
    assert (root / "contact_sheet_train.png").is_file() and (root / "contact_sheet_val.png").is_file()


def test_statistics_stand_beside_publaynet_s(tmp_path):
    lines = describe(check_split(write_tree(tmp_path), "train", num_pictures=0).annotations).splitlines()
    assert "PubLayNet 9.8" in lines[0] and "PubLayNet about 600 x 792" in lines[1]
    rows = {line.split()[0]: line.split()[1:] for line in lines[3:]}
    assert list(rows) == ["text", "title", "list", "table", "figure"]
    assert rows["text"][2::2][:2] == ["71.0%", "6.96"] and rows["text"][-3:] == ["240", "x", "53"]
    assert sum(int(row[0]) for row in rows.values()) == 15
    assert sum(float(row[1].rstrip("%")) for row in rows.values()) == pytest.approx(100, abs=0.5)
    assert sum(float(row[3]) for row in rows.values()) == pytest.approx(2.5, abs=0.02)  # 15 boxes on 6 pages


def test_everything_wrong_is_listed(tmp_path, capsys):
    root = write_tree(tmp_path)
    content = json.loads((root / "train.json").read_text())
    content["annotations"][0]["category_id"] = 9
    content["annotations"][1]["bbox"] = [10, 10, 0, 5]
    (root / "train.json").write_text(json.dumps(content))
    (root / "train" / "page1.png").unlink()
    (root / "train" / "page2.png").write_bytes(b"no picture")
    (root / "train" / "page3.png").write_bytes((root / "train" / "page0.png").read_bytes())
    (root / "train" / "surplus.txt").write_text("")
    assert main(["check", str(root)]) == 1
    printed = capsys.readouterr().out
    for words in (
        "1 annotations have a category other than 1 to 5: left out (image 1)",
        "1 annotations have no area: left out (image 1)",
        "1 pictures are missing: their pages are left out (page1.png)",
        "1 files of the folder belong to no page",
        "5 pictures read in full, 2 of them broken",
        "page2.png cannot be read as an image",
        "page3.png has 100 x 130 pixels, its annotations are of 100 x 142",
        "some of it would be left out",
    ):
        assert words in printed
    assert (root / "contact_sheet.png").is_file()


def test_pages_without_size_are_wrong_and_endless_ones_are_drawn(tmp_path, capsys):
    root = write_tree(tmp_path)
    content = json.loads((root / "train.json").read_text())
    content["images"][-1]["width"] = 0
    content["images"][0]["height"] = 10**9
    (root / "train.json").write_text(json.dumps(content))
    assert main(["check", str(root)]) == 1
    printed = capsys.readouterr().out
    assert "1 pages are less than a pixel wide or high and are left out (image 6)" in printed
    assert (root / "contact_sheet.png").is_file() and "page0.png has 100 x 130 pixels" in printed
    assert not check_split(root, "train", num_pictures=0).is_sound


def test_of_many_pictures_some_are_read(tmp_path):
    check = check_split(write_tree(tmp_path, num_pages=9), "train", num_pictures=3)
    assert check.num_read == 3 and check.is_sound
    assert check_split(tmp_path, "train", num_pictures=0).num_read == 9


def test_an_empty_tree_and_a_missing_one(tmp_path, capsys):
    (tmp_path / "train.json").write_text('{"images": [], "annotations": []}')
    check = check_split(tmp_path, "train", num_pictures=10)
    assert describe(check.annotations) == "no pages" and check.is_sound
    assert main(["check", str(tmp_path)]) == 0
    with pytest.raises(FileNotFoundError, match="no annotations in"):
        find_splits(tmp_path / "none")
    assert main(["check", str(tmp_path / "none")]) == 2


@pytest.mark.parametrize("option", ["--first", "--pages", "--read"])
def test_negative_numbers_are_wrong_usage(tmp_path, capsys, option):
    with pytest.raises(SystemExit) as stopped:
        main(["check", str(write_tree(tmp_path)), option, "-99"])
    assert stopped.value.code == 2 and f"{option}: expected 0 or more, got -99" in capsys.readouterr().err


def test_pages_beyond_those_there_are_passed_by(tmp_path):
    check = check_split(write_tree(tmp_path), "train", num_pictures=1)
    names = [record.file_name for record in picture_records(check, (-99, -1, 5, 6, 99))]
    assert names == ["page5.png"]


@pytest.mark.parametrize("below", ["", "deep/tree"])
@pytest.mark.parametrize("command", [["make", "2"], ["annotate", "S.pdf"]])
def test_a_file_in_the_place_of_the_tree_is_wrong_usage(tmp_path, capsys, command, below):
    (tmp_path / "note.txt").write_text("mine")
    assert main([*command, "-o", str(tmp_path / "note.txt" / below)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'note.txt'} is a file: give a folder with --output\n"
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_a_full_disk_is_no_wrong_usage(tmp_path, capsys, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("layoutdeit.corpus.tree_check.check_split", fail)
    assert main(["check", str(write_tree(tmp_path))]) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_checking_needs_no_torch(tmp_path):
    root = write_tree(tmp_path)
    code = f"import sys; from layoutdeit.corpus.__main__ import main; main(['check', {str(root)!r}])"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
