"""The command line that both trainings have: a configuration, overrides, and an exit status."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from backbone.usage import checking_usage, report, report_interruption

Config = TypeVar("Config")


def run_training(
    arguments: Sequence[str] | None,
    *,
    module: str,
    description: str,
    configs: str,
    data_root: str,
    load: Callable[[str, list[str]], Config],
    train: Callable[[Config], object],
) -> int:
    """Read the command line, train, and return the exit status: 0 done or paused, 1 failed, 2 usage.

    `module`, `configs` (a folder) and `data_root` (an example) are for the help; `load` gets file and overrides, and
    whatever it raises is wrong usage.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("config", help=f"a file of {configs}/")
    parser.add_argument("overrides", nargs="*", help=f"key=value, for instance data.root={data_root}")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with checking_usage():
            config = load(options.config, options.overrides)
        train(config)
    except KeyboardInterrupt:
        return report_interruption("the same command goes on from the last checkpoint, if there is one")
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        return report(error)
    except RuntimeError as error:
        from backbone.stopped_job import is_lost_connection, report_lost_connection

        if not is_lost_connection(error):
            raise
        return report_lost_connection(error)
    return 0
