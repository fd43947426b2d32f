"""What a document may cost: bytes, pages, pixels, seconds, memory. Reading stops at each with an error that says so."""

from __future__ import annotations

import ctypes
import math
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

MAX_BYTES = 1 << 30  # pdfium counts bytes in 32 signed bits; half of that leaves room for repair
MAX_PAGES = 100_000  # an encyclopedia has 30,000
MAX_PIXELS = 16_000_000  # of a page's picture: A0 at 100 dpi; 48 MB as RGB
MAX_SCAN_PIXELS = 180_000_000  # of a picture that comes as a page: A0 at 300 dpi has 140 million
MAX_OUTPUT_BYTES = 4 << 30  # of a file that is written for a document


@dataclass(frozen=True)
class Limits:
    """Time and memory of one document.

    Opening may take `open_s` seconds, and the size, the picture and the words of a page `page_s` each. The whole
    document may take `document_s`, and `mean_page_s` more each time that one of the three is asked for; so may one file
    written for it. The process that reads it may hold `memory_bytes`.
    """

    open_s: float = 60.0
    page_s: float = 60.0  # no ordinary page comes near, on a busy machine either
    document_s: float = 300.0
    mean_page_s: float = 3.0
    memory_bytes: int = 2 << 30

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"limit {name} must be positive and finite, got {value}")

    def budget_s(self, num_asked: int) -> float:
        """Seconds that a document may have taken once sizes, pictures and words of pages were asked for so often."""
        return self.document_s + self.mean_page_s * num_asked


class OutOfTime(RuntimeError):
    """A block took longer than its `time_limit`. No TimeoutError: libraries make others of that, an OSError."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the block after `seconds`; main thread only, and not before a call into C returns."""

    def interrupt(signum: int, frame: object) -> None:
        raise OutOfTime(f"stopped after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)  # again and again: a library may swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def resident_bytes() -> int:
    """Memory that is this process's own, without files mapped; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            _, resident, shared = file.read().split()[:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize()


def return_free_memory() -> None:
    """Give the system back what was freed in this process, where the C library can (glibc keeps it for itself)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
