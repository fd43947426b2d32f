"""detectron2 as an engine, and DeiT as a backbone of detectron2. The only folder that imports detectron2.

`detector.py` puts detectron2's Mask and Cascade R-CNN behind the contract of engines/base.py; `model.py`, `settings.py`
and `data.py` are what detectron2's own trainers and predictors need; `launch.py` runs its tools with them.
"""

from __future__ import annotations

from importlib.util import find_spec

INSTALLATION = (
    "engine 'detectron2' needs detectron2, which is on no package index: build it from its source as its guide says, "
    "https://detectron2.readthedocs.io/tutorials/install.html"
)


def is_installed() -> bool:
    """Whether detectron2 is here, told without importing it."""
    return find_spec("detectron2") is not None


def require_detectron2() -> None:
    """ImportError that says what to install where detectron2 is missing."""
    if not is_installed():
        raise ImportError(INSTALLATION)
