import re

import pytest

from layoutdeit.annotation_cache import read_annotations
from layoutdeit.full_scale import PUBLAYNET_PAGES, main, make_tree
from layoutdeit.pictures import find_missing


def test_made_pages_are_like_publaynets(tmp_path):
    make_tree(tmp_path, 400)
    annotations = read_annotations(tmp_path / "train.json")
    assert len(annotations) == 400 and not len(find_missing(annotations, tmp_path / "train"))
    per_page = len(annotations.labels) / 400
    bytes_per_box = (tmp_path / "train.json").stat().st_size / len(annotations.labels)
    points_per_box = len(annotations.points) / len(annotations.labels)
    assert 9 < per_page < 10.5  # PubLayNet: 9.7
    assert 350 < bytes_per_box < 600 and 30 < points_per_box < 55  # 449 and 38 on the six sample pages
    assert annotations.num_dropped == 0


def test_the_command_measures_opening_and_memory(tmp_path, capsys):
    assert main([str(tmp_path / "tree"), "--pages", "60", "--workers", "2", "--batches", "3"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"first open: \d+\.\d s", printed) and "third open" in printed
    assert re.search(r"2 loader processes: .* highest of the whole process tree \d\.\d+ GB resident", printed)
    assert main([str(tmp_path / "tree"), "--workers", "0", "--batches", "1"]) == 0
    assert "made" not in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--pages", "0"], ["--workers", "-1"], ["--batches", "0"]])
def test_numbers_that_make_no_sense_are_wrong_usage(tmp_path, capsys, options):
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "tree"), *options])
    assert stopped.value.code == 2 and f"{options[0]}: expected " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_tree_that_cannot_be_made_or_read_is_a_sentence(tmp_path, capsys):
    (tmp_path / "note.txt").touch()
    assert main([str(tmp_path / "note.txt"), "--pages", "1"]) == 1
    (tmp_path / "train.json").write_text("{")
    assert main([str(tmp_path)]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ") and "note.txt" in first and second.startswith("error: ")


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_publaynets_size_opens_in_the_promised_time_and_memory(tmp_path, capsys):
    """335,703 pages: at most 90 s, then 5 s, and 3 GB for all processes with four loaders, on two free cores."""
    assert main([str(tmp_path / "tree"), "--batches", "20"]) == 0
    printed = capsys.readouterr().out
    assert f"{PUBLAYNET_PAGES} pages" in printed
    first, second, third = (float(seconds) for seconds in re.findall(r"\w+ open: ([\d.]+) s", printed))
    assert first <= 90 and max(second, third) <= 5
    assert float(re.search(r"([\d.]+) GB with shared pages counted once\n*$", printed)[1]) <= 3
