"""Wrong usage and failed work are told apart, and what cannot be written is found without writing."""

import argparse
import os
from pathlib import Path

import pytest

from backbone.usage import UsageError, at_least, check_writable, checking_usage, report, usable_device


def test_only_wrong_usage_has_status_2(capsys):
    assert report(UsageError("no such name")) == 2 and report(ValueError("broken file")) == report(OSError("full")) == 1
    assert capsys.readouterr().err == "error: no such name\nerror: broken file\nerror: full\n"


@pytest.mark.parametrize("error", [ValueError("bad"), FileNotFoundError("none")])
def test_errors_of_a_check_are_wrong_usage_and_keep_their_sentence(error):
    with pytest.raises(UsageError, match=str(error)), checking_usage():
        raise error


def test_of_chosen_kinds_only_those_are():
    with pytest.raises(ValueError, match="bad") as caught, checking_usage(FileNotFoundError):
        raise ValueError("bad")
    assert not isinstance(caught.value, UsageError)
    with pytest.raises(UsageError), checking_usage(FileNotFoundError):
        raise FileNotFoundError


def test_whole_numbers_from_a_least_one():
    assert at_least(0)("0") == 0 and at_least(1)("12") == 12
    with pytest.raises(argparse.ArgumentTypeError, match="expected 1 or more, got 0"):
        at_least(1)("0")
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number, got 'two'"):
        at_least(1)("two")


def test_what_can_be_written_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.json").write_text("old")
    for name in ("old.json", "new.json", "a/b/new.json", tmp_path / "c" / "new.json"):
        check_writable(Path(name))
    assert os.listdir(tmp_path) == ["old.json"] and (tmp_path / "old.json").read_text() == "old"


def test_what_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "note.txt").touch()
    with pytest.raises(NotADirectoryError, match=r"cannot write .*x\.json: .*note\.txt is no folder"):
        check_writable(tmp_path / "note.txt" / "deep" / "x.json")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda place, mode: False)  # root may write everywhere
    with pytest.raises(PermissionError, match="no permission for"):
        check_writable(tmp_path / "x.json")


@pytest.mark.parametrize("name", ["abacus", "cuda:99"])
def test_device_that_is_not_there(name):
    with pytest.raises(UsageError, match=f"device {name} cannot be used here"):
        usable_device(name)
    assert usable_device("cpu").type == "cpu"
