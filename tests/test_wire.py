import os
import subprocess
import sys
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layoutdeit import wire
from layoutdeit.wire import PREFIX, copy_exactly, file_identity, read_exactly, read_header, shared_file, write_message

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner))


@given(st.dictionaries(st.text(), JSON), st.binary(), st.booleans())
def test_messages_come_as_they_went(header, payload, from_file):
    stream = BytesIO()
    for _ in range(2):
        write_message(stream, header, BytesIO(payload) if from_file else payload)
    stream.seek(0)
    for _ in range(2):
        assert read_header(stream, max_payload=len(payload)) == (header, len(payload))
        assert read_exactly(stream, len(payload)) == payload
    with pytest.raises(EOFError):
        read_header(stream)


def test_lone_surrogates_pass():
    stream = BytesIO()
    write_message(stream, {"name": "\udcff"})
    stream.seek(0)
    assert read_header(stream) == ({"name": "\udcff"}, 0)


def test_payload_larger_than_may_come_is_refused_before_it_is_read():
    stream = BytesIO()
    write_message(stream, {}, b"12345")
    stream.seek(0)
    with pytest.raises(ValueError, match="longer"):
        read_header(stream, max_payload=4)


@pytest.mark.parametrize("text", [b"[]", b"1", b"{", b"\x80\x04]", b'{"a": \xff}'])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError):
        read_header(BytesIO(PREFIX.pack(len(text), 0) + text))


def test_message_cut_short_is_an_end():
    stream = BytesIO()
    write_message(stream, {"a": 1}, b"12345")
    data = stream.getvalue()
    for length in range(len(data)):
        cut = BytesIO(data[:length])
        with pytest.raises(EOFError):
            _, num_bytes = read_header(cut, max_payload=5)
            copy_exactly(cut, num_bytes, BytesIO())


def test_header_too_long_is_not_written(monkeypatch):
    monkeypatch.setattr(wire, "MAX_HEADER_BYTES", 100)
    stream = BytesIO()
    with pytest.raises(ValueError, match="header"):
        write_message(stream, {"text": "x" * 200})
    assert not stream.getvalue()


def test_identity_tells_a_file_from_its_successor(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one")
    b.write_bytes(b"two")
    before = file_identity(a)
    assert before == file_identity(a) != file_identity(b)
    b.replace(a)
    assert before != file_identity(a)


def test_shared_file_is_found_by_another_process_and_goes_with_us():
    file, path = shared_file()
    with file:
        file.write(b"for you")
        file.flush()
        code = "import sys; sys.stdout.write(open(sys.argv[1]).read())"
        assert subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True).stdout == b"for you"
    assert not os.path.exists(path)
