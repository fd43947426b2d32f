"""Configuration files: a YAML file and key=value overrides, read into a dataclass and checked.

Each job declares a dataclass whose fields are described where they stand; this file only fills it. Unknown keys and
wrong types are errors that name the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

ConfigT = TypeVar("ConfigT")


def load_config(schema: type[ConfigT], path: str | Path | None = None, overrides: Sequence[str] = ()) -> ConfigT:
    """Fill the dataclass `schema` from a YAML file, then from overrides such as "data.root=/data".

    FileNotFoundError for a missing file; ValueError that names the key for an unknown one, a wrong type, a missing
    mandatory value or a value that the dataclass's own check refuses.
    """
    if path is not None and not Path(path).is_file():
        raise FileNotFoundError(f"no configuration file at {path}: see configs/ for those that exist")
    for override in overrides:
        if "=" not in override:
            raise ValueError(f"expected key=value, got {override!r}")
    try:
        config = OmegaConf.structured(schema)
        if path is not None:
            config = OmegaConf.merge(config, OmegaConf.load(path))
        config = OmegaConf.merge(config, OmegaConf.from_dotlist(list(overrides)))
        return OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        key = f"{error.full_key}: " if error.full_key else ""
        where = f" (in {path})" if path is not None else ""
        raise ValueError(f"{key}{str(error).splitlines()[0]}{where}") from error


def config_from_dict(schema: type[ConfigT], values: dict[str, Any]) -> ConfigT:
    """Rebuild a dataclass, nested ones too, from `dataclasses.asdict`'s output. ValueError as `load_config`."""
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), OmegaConf.create(values)))
    except OmegaConfBaseException as error:
        raise ValueError(f"{error.full_key or 'configuration'}: {str(error).splitlines()[0]}") from error
