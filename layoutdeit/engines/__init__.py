"""Engines that train and run a detector behind one contract (base.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layoutdeit.config import DetectorConfig
    from layoutdeit.engines.base import Detector

ENGINES = ("torchvision",)


def build_detector(config: DetectorConfig, engine: str = "torchvision") -> Detector:
    """Build a detector with random weights. ValueError for an engine that does not exist."""
    if engine == "torchvision":
        from layoutdeit.engines.torchvision_engine import TorchvisionDetector

        return TorchvisionDetector(config)
    raise ValueError(f"unknown engine {engine!r}: use one of {', '.join(ENGINES)}")
