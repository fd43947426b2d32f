"""The error of a document, or of a page of one, that cannot be read: a code for programs, a sentence for people."""

from __future__ import annotations

CODES = ("encrypted", "corrupt", "empty", "too_large", "timeout", "render", "model")


class PdfError(ValueError):
    """A document, or a page of one, that cannot be read: a stable `code` and a sentence that says what to do.

    `code` is one of encrypted (password missing or wrong), corrupt (no document, or damaged), empty (no bytes or no
    pages), too_large (in bytes, pages, pixels or memory, see limits.py), timeout (stopped after its time limit),
    render (no renderer could draw the page). A page whose model failed has the code model.
    """

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the message."""
        assert code in CODES, code
        super().__init__(message)
        self.code = code
