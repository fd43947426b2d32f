"""Document layout analysis on a DeiT backbone. `from layoutdeit import LayoutAnalyzer` is the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layoutdeit.analyzer import LayoutAnalyzer

__all__ = ["LayoutAnalyzer", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the analyzer (and torch with it) only when it is asked for, so `import layoutdeit` stays instant."""
    if name == "LayoutAnalyzer":
        from layoutdeit.analyzer import LayoutAnalyzer

        return LayoutAnalyzer
    raise AttributeError(f"module 'layoutdeit' has no attribute {name!r}")
