import pytest
from PIL import Image

from layoutdeit.whole_file import remove_unfinished, write_atomically, write_png, write_text


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_interrupted_writing_leaves_the_old_file_and_no_other(tmp_path, interruption):
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(interruption), write_atomically(path) as file:
        file.write(b"half of the n")
        raise interruption
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_results_are_readable_by_others_as_the_umask_says(tmp_path):
    (tmp_path / "usual").touch()
    with write_atomically(tmp_path / "result"):
        pass
    assert (tmp_path / "result").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_what_a_killed_process_left_goes_and_nothing_else(tmp_path):
    target = tmp_path / "paper"
    (target / "crops").mkdir(parents=True)
    left = [tmp_path / f".{'a1' * 16}.tmp", target / f".{'b2' * 16}.tmp", target / "crops" / f".{'c3' * 16}.tmp"]
    others = [tmp_path / ".notes.tmp", tmp_path / f"{'a1' * 16}.tmp"]
    for path in [*left, *others]:
        path.touch()
    remove_unfinished([target])
    assert not any(path.exists() for path in left) and all(path.exists() for path in others)


def test_texts_and_pictures(tmp_path):
    assert write_text(tmp_path / "new" / "a.txt", ["gr", "\u00fc", "n"]).read_bytes() == "gr\u00fcn".encode()
    write_png(tmp_path / "p.png", Image.new("RGB", (3, 2), "red"))
    assert Image.open(tmp_path / "p.png").getpixel((2, 1)) == (255, 0, 0)
