"""Downloads from a real server on this machine: whole and right or not there, resumed, from the next place, in turn."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backbone.download import RemoteFile, check_file, fetch_file

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
LOGIN_PAGE = b"\xef\xbb\xbf\r\n<!DOCTYPE html><title>Sign in to your network</title>"
DEAD = "http://127.0.0.1:9"  # the discard port: nobody listens


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT; folders of the address change how: cut, wrong, absent, login, tagged (an ETag, and ranges)."""

    asked: list[tuple[str, str | None]] = []

    def do_GET(self) -> None:
        path, wanted = self.path, self.headers.get("Range")
        self.asked.append((path, wanted))
        if "absent" in path:
            return self.send_error(404)
        body = bytes(len(CONTENT)) if "wrong" in path else LOGIN_PAGE if "login" in path else CONTENT
        version = '"2"' if "newer" in path else '"1"'
        start = 0
        if wanted and "tagged" in path and self.headers.get("If-Range") == version:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if "tagged" in path:
            self.send_header("ETag", version)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if "slow" in path and not start:
            self.wfile.write(body[:HALF])
            self.wfile.flush()
            time.sleep(60)
        self.wfile.write(body[start:HALF] if "cut" in path and not start else body[start:])

    def log_message(self, *args: object) -> None:
        """Keep the tests quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        http.daemon_threads = True
        http.block_on_close = False
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def at(*places: str, **stated: object) -> RemoteFile:
    return RemoteFile("w.bin", places, **stated)


def asked_for(part: str) -> list[str | None]:
    return [wanted for path, wanted in Server.asked if part in path]


def test_file_comes_whole_and_is_recorded(server: str, tmp_path: Path):
    seen: list[tuple[int, int | None]] = []
    wanted = at(f"{server}/w.bin", sha256=SHA256, num_bytes=len(CONTENT))
    path = fetch_file("weights", wanted, tmp_path / "new" / "folder", progress=lambda *step: seen.append(step))
    assert path.read_bytes() == CONTENT and seen[-1] == (len(CONTENT), len(CONTENT))
    record = {"name": "weights", "url": f"{server}/w.bin", "sha256": SHA256, "num_bytes": len(CONTENT)}
    assert check_file("weights", wanted, path) == record == json.loads(path.with_name("w.bin.json").read_text())
    assert sorted(os.listdir(path.parent)) == ["w.bin", "w.bin.json"]


@pytest.mark.parametrize("stated", [{}, {"sha256": SHA256}, {"sha256": SHA256[:8]}])
def test_dead_and_absent_and_wrong_places_are_passed_by(server: str, tmp_path: Path, stated: dict[str, str]):
    bad = [f"{DEAD}/w.bin", f"{server}/absent/w.bin", f"{server}/cut/w.bin", str(tmp_path / "nowhere")]
    bad += [f"{server}/wrong/w.bin"] if stated else []
    path = fetch_file("weights", at(*bad, f"{server}/w.bin", **stated), tmp_path)
    assert path.read_bytes() == CONTENT
    assert json.loads((tmp_path / "w.bin.json").read_text())["url"] == f"{server}/w.bin"


def test_wrong_hash_everywhere_leaves_nothing_and_says_so(server: str, tmp_path: Path):
    wanted = at(f"{server}/tagged/wrong/w.bin", f"{DEAD}/w.bin", sha256=SHA256, note="Ask the authors.")
    with pytest.raises(ValueError) as error:
        fetch_file("weights", wanted, tmp_path)
    assert f"does not equal {SHA256}" in str(error.value) and "Connection refused" in str(error.value)
    assert f"put the file at {tmp_path / 'w.bin'}. Ask the authors." in str(error.value)
    assert not os.listdir(tmp_path)


def test_web_page_is_no_file_even_where_no_hash_is_known(server: str, tmp_path: Path):
    with pytest.raises(ValueError, match="what came from .*/login/w.bin is a web page: does it ask to log in"):
        fetch_file("w", at(f"{server}/login/w.bin"), tmp_path)
    assert not list(tmp_path.iterdir())
    assert fetch_file("w", at(f"{server}/login/w.bin", f"{server}/w.bin"), tmp_path).read_bytes() == CONTENT


def test_no_network_is_one_sentence(tmp_path: Path):
    with pytest.raises(ConnectionError, match=f"could not fetch weights from {DEAD}/w.bin .*refused.*put the file at"):
        fetch_file("weights", at(f"{DEAD}/w.bin"), tmp_path)
    with pytest.raises(ConnectionError, match="no place is known that keeps it"):
        fetch_file("weights", at(), tmp_path)
    assert not os.listdir(tmp_path)


def test_mirrors_come_first_as_address_folder_or_path(server: str, tmp_path: Path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "w.bin").write_bytes(CONTENT)
    places = [f"{server}/mirror", f"{server}/mirror/", f"{server}/mirror/w.bin?key=1", str(tmp_path / "kept")]
    for number, place in enumerate([*places, str(tmp_path / "kept" / "w.bin")]):
        folder = tmp_path / str(number)
        path = fetch_file("weights", at(f"{DEAD}/w.bin", sha256=SHA256), folder, mirrors=[place])
        assert path.read_bytes() == CONTENT and json.loads((folder / "w.bin.json").read_text())["url"] == place
    assert [path for path, _ in Server.asked if "mirror" in path] == [*["/mirror/w.bin"] * 2, "/mirror/w.bin?key=1"]


def test_broken_download_goes_on_where_it_ended(server: str, tmp_path: Path):
    wanted = at(f"{server}/tagged/cut/resumed/w.bin", sha256=SHA256)
    with pytest.raises(ConnectionError, match=f"the connection ended after {HALF} of {len(CONTENT)} bytes"):
        fetch_file("weights", wanted, tmp_path)
    assert not (tmp_path / "w.bin").exists() and (tmp_path / ".w.bin.part").stat().st_size == HALF
    assert fetch_file("weights", wanted, tmp_path).read_bytes() == CONTENT
    assert asked_for("resumed") == [None, f"bytes={HALF}-"]
    assert sorted(os.listdir(tmp_path)) == ["w.bin", "w.bin.json"]


def test_part_of_another_version_or_place_is_not_gone_on(server: str, tmp_path: Path):
    with pytest.raises(ConnectionError):
        fetch_file("weights", at(f"{server}/tagged/cut/first/w.bin"), tmp_path)
    kept = json.loads((tmp_path / ".w.bin.part.json").read_text())
    newer = f"{server}/tagged/newer/w.bin"
    (tmp_path / ".w.bin.part.json").write_text(json.dumps({**kept, "url": newer}))  # as if the file changed there
    (tmp_path / ".w.bin.part").write_bytes(b"old bytes")
    assert fetch_file("weights", at(newer), tmp_path).read_bytes() == CONTENT

    with pytest.raises(ConnectionError):
        fetch_file("weights", at(f"{server}/tagged/cut/second/w.bin"), tmp_path / "b")
    assert fetch_file("weights", at(f"{server}/tagged/other/w.bin"), tmp_path / "b").read_bytes() == CONTENT
    assert asked_for("other") == [None]


def test_part_that_is_whole_but_was_never_named_is_fetched_again(server: str, tmp_path: Path):
    url = f"{server}/tagged/whole/w.bin"
    (tmp_path / ".w.bin.part").write_bytes(bytes(len(CONTENT)))
    (tmp_path / ".w.bin.part.json").write_text(json.dumps({"url": url, "version": '"1"'}))
    assert fetch_file("weights", at(url), tmp_path).read_bytes() == CONTENT
    assert asked_for("whole") == [f"bytes={len(CONTENT)}-", None]


CHILD = """
import sys
from backbone.download import RemoteFile, fetch_file
print(fetch_file("weights", RemoteFile("w.bin", (sys.argv[1],)), sys.argv[2]), flush=True)
"""


def start_child(url: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, url, str(folder)], stdout=subprocess.PIPE, text=True)


def test_killed_download_is_taken_up_by_the_next_process(server: str, tmp_path: Path):
    child = start_child(f"{server}/tagged/slow/killed/w.bin", tmp_path)
    deadline = time.monotonic() + 120
    while not ((tmp_path / ".w.bin.part").exists() and (tmp_path / ".w.bin.part").stat().st_size > 0):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (tmp_path / "w.bin").exists()
    assert fetch_file("weights", at(f"{server}/tagged/slow/killed/w.bin"), tmp_path).read_bytes() == CONTENT
    assert asked_for("killed")[0] is None and str(asked_for("killed")[1]).startswith("bytes=")


def test_processes_that_want_the_same_file_fetch_it_once(server: str, tmp_path: Path):
    children = [start_child(f"{server}/together/w.bin", tmp_path) for _ in range(3)]
    assert {child.communicate(timeout=120)[0].strip() for child in children} == {str(tmp_path / "w.bin")}
    assert all(child.returncode == 0 for child in children)
    assert len(asked_for("together")) == 1
    assert sorted(os.listdir(tmp_path)) == ["w.bin", "w.bin.json"]


def test_file_put_there_by_hand_is_taken_if_it_is_right(tmp_path: Path):
    (tmp_path / "w.bin").write_bytes(CONTENT)
    assert fetch_file("weights", at(f"{DEAD}/w.bin", sha256=SHA256), tmp_path) == tmp_path / "w.bin"
    assert json.loads((tmp_path / "w.bin.json").read_text())["url"] is None
    (tmp_path / "w.bin").write_bytes(CONTENT[1:])
    with pytest.raises(ValueError, match=r"is not w.bin: .*delete it and w.bin.json, and fetch it again"):
        fetch_file("weights", at(f"{DEAD}/w.bin", sha256=SHA256), tmp_path)
    with pytest.raises(ValueError, match="has changed since it came"):
        fetch_file("weights", at(f"{DEAD}/w.bin"), tmp_path)
    (tmp_path / "w.bin.json").write_text("{")
    with pytest.raises(ValueError, match=r"w\.bin\.json is no record of a file .*delete it"):
        fetch_file("weights", at(f"{DEAD}/w.bin"), tmp_path)
