"""Messages between two processes: a JSON object and raw bytes after it. Plain data only; nothing is unpickled.

On the wire: 4 bytes length of the JSON, 8 bytes length of what follows it, both big-endian, then the two.
"""

from __future__ import annotations

import io
import json
import os
import struct
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

PREFIX = struct.Struct(">IQ")
MAX_HEADER_BYTES = 64 << 20  # the words of a page of a million characters take 40 MB
CHUNK_BYTES = 1 << 20
EXIT_MEMORY = 71  # exit status of a process that holds more memory than it may
EXIT_RETIRED = 72  # of one that has served long enough


def write_message(stream: BinaryIO, header: dict[str, Any], payload: bytes | BinaryIO = b"") -> None:
    """Write one message; a payload that is a file is copied from its start. Raises ValueError for a huge header."""
    text = json.dumps(header).encode("ascii")
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {len(text):,} bytes, at most {MAX_HEADER_BYTES:,} are taken")
    source = io.BytesIO(payload) if isinstance(payload, bytes) else payload
    stream.write(PREFIX.pack(len(text), source.seek(0, io.SEEK_END)))
    stream.write(text)
    if isinstance(payload, bytes):
        stream.write(payload)
    else:
        source.seek(0)
        while chunk := source.read(CHUNK_BYTES):
            stream.write(chunk)
    stream.flush()


def read_header(stream: BinaryIO, *, max_payload: int = 0) -> tuple[dict[str, Any], int]:
    """The JSON object of the next message and the length of its payload, which is still to be read.

    Raises EOFError at the end of the stream, ValueError for what is no such message or one too long.
    """
    text_bytes, payload_bytes = PREFIX.unpack(read_exactly(stream, PREFIX.size))
    if text_bytes > MAX_HEADER_BYTES or payload_bytes > max_payload:
        raise ValueError(f"a message of {text_bytes:,} + {payload_bytes:,} bytes is longer than may come")
    header = json.loads(read_exactly(stream, text_bytes))
    if not isinstance(header, dict):
        raise ValueError(f"expected a JSON object, got {type(header).__name__}")
    return header, payload_bytes


def read_exactly(stream: BinaryIO, num_bytes: int) -> bytes:
    """The next bytes, all of them, or EOFError."""
    data = stream.read(num_bytes)
    if len(data) != num_bytes:
        raise EOFError(f"the stream ended after {len(data)} of {num_bytes} bytes")
    return data


def copy_exactly(stream: BinaryIO, num_bytes: int, file: BinaryIO) -> None:
    """Copy the next bytes into a file, all of them, or EOFError."""
    while num_bytes:
        chunk = read_exactly(stream, min(num_bytes, CHUNK_BYTES))
        file.write(chunk)
        num_bytes -= len(chunk)


def file_identity(file: str | Path | int) -> list[int]:
    """What tells a file from another that might stand in its place: device, inode, size, time of change."""
    status = os.stat(file)
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


def shared_file() -> tuple[BinaryIO, str]:
    """A temporary file, and where another process finds it; it goes when it is closed.

    Where there is /proc it has no name, and not even a kill leaves it behind.
    """
    if os.path.isdir("/proc/self/fd"):
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        return file, f"/proc/{os.getpid()}/fd/{file.fileno()}"
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the caller closes it
    return file, file.name
