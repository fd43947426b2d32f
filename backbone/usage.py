"""What was typed wrong, told apart from work that failed: commands end with status 2 for the one, 1 for the other.

Used by the commands of both packages while they look at their command line, before anything slow starts.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class UsageError(ValueError):
    """What was typed asks for something that is not there or cannot be."""


@contextmanager
def checking_usage(kinds: type[Exception] | tuple[type[Exception], ...] = (ValueError, OSError)) -> Iterator[None]:
    """Whatever of these kinds is raised inside is wrong usage."""
    try:
        yield
    except kinds as error:
        raise UsageError(str(error)) from error


def report(error: Exception) -> int:
    """Say on standard error what went wrong and return the exit status: 2 for wrong usage, 1 for anything else."""
    print(f"error: {error}", file=sys.stderr)
    return 2 if isinstance(error, UsageError) else 1


def report_interruption(advice: str = "") -> int:
    """Say on standard error that Ctrl-C ended the work, and return the exit status: 130, as a shell's."""
    print(f"interrupted{advice and ': '}{advice}", file=sys.stderr)
    return 130


def usable_device(name: str | None) -> torch.device:
    """The device of that name; None: a GPU where there is one. UsageError for one that PyTorch cannot use here."""
    import torch

    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter from a PyTorch that was built without that device
        raise UsageError(f"device {name} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def at_least(least: int) -> Callable[[str], int]:
    """For argparse: the type of an option that is a whole number from `least` on."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from error
        if number < least:
            raise argparse.ArgumentTypeError(f"expected {least} or more, got {number}")
        return number

    return read


def check_writable(path: Path) -> None:
    """OSError unless a file can be written at `path`, whose folders may have yet to be made."""
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    place = path if path.exists() else next(parent for parent in path.absolute().parents if parent.exists())
    if place != path and not place.is_dir():
        raise NotADirectoryError(f"cannot write {path}: {place} is no folder")
    if not os.access(place, os.W_OK):
        raise PermissionError(f"cannot write {path}: no permission for {place}")
