"""Engines that train and run a detector behind one contract (base.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layoutdeit.config import DetectorConfig
    from layoutdeit.engines.base import Detector

ENGINES = ("torchvision", "detectron2")
PRECISIONS = ("auto", "fp32", "bf16", "int8")  # of predictions: precision.py


def build_detector(config: DetectorConfig, engine: str = "torchvision") -> Detector:
    """Build a detector with random weights.

    ValueError for an engine that does not exist, ImportError with what to install for one that is not here.
    """
    if engine == "torchvision":
        from layoutdeit.engines.torchvision_engine import TorchvisionDetector

        return TorchvisionDetector(config)
    if engine == "detectron2":
        from layoutdeit.engines.detectron2 import require_detectron2

        require_detectron2()
        from layoutdeit.engines.detectron2.detector import Detectron2Detector

        return Detectron2Detector(config)
    raise ValueError(f"unknown engine {engine!r}: use one of {', '.join(ENGINES)}")


def available_engines() -> tuple[str, ...]:
    """The engines that can be used here; imports none of them."""
    from layoutdeit.engines.detectron2 import is_installed

    return ENGINES if is_installed() else ("torchvision",)
