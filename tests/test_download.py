"""Files are fetched whole or not at all, from whichever address answers. A real server on this machine."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from backbone.download import FOLDER_VARIABLE, PublishedWeights, fetch_file, file_record

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT whole, cut short, or not at all, by the folder asked for; counts what it was asked."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "absent" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if "cut" in self.path else CONTENT)

    def log_message(self, *args: object) -> None:
        """Keep the tests quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def fetch(url: str, folder: Path | None = None, *, mirrors: tuple[str, ...] = (), **stated: object) -> Path:
    return fetch_file("tiny", PublishedWeights(url, "a test", **stated), folder, mirrors=mirrors)


@pytest.mark.parametrize("file_name", [f"w-{SHA256[:8]}.pth", "w.pth"])
def test_download_is_checked_kept_and_recorded(server: str, tmp_path: Path, file_name: str):
    url = f"{server}/{file_name}"
    path = fetch(url, tmp_path / "cache")
    assert path == tmp_path / "cache" / file_name and path.read_bytes() == CONTENT
    assert file_record(path) == {"name": "tiny", "url": url, "sha256": SHA256, "num_bytes": len(CONTENT)}
    num_asked = len(Server.asked)
    assert fetch(url, tmp_path / "cache") == path
    assert len(Server.asked) == num_asked, "it is there: nothing is asked again"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=r"does not begin with|has changed since it came.*delete it"):
        fetch(url, tmp_path / "cache")


def test_default_folder_is_that_of_torch_hub_or_of_the_variable(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert fetch(f"{server}/w.pth") == tmp_path / "checkpoints" / "w.pth"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "shared"))
    assert fetch(f"{server}/w.pth") == tmp_path / "shared" / "w.pth"


@pytest.mark.parametrize("stated", [{"url": "w-00000000.pth"}, {"url": "w.pth", "num_bytes": 7}])
def test_other_bytes_than_stated_are_an_error_and_leave_nothing(server: str, tmp_path: Path, stated: dict):
    with pytest.raises(ValueError, match=r"what came from http.*(does not begin with 00000000|expected 7)"):
        fetch(f"{server}/{stated['url']}", tmp_path, num_bytes=stated.get("num_bytes"))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("place", "reason"), [("cut/w.pth", "ended after 5120 of 10240 bytes"), ("absent/w.pth", "Not Found")]
)
def test_failed_download_leaves_nothing_and_says_where_to_put_the_file(
    server: str, tmp_path: Path, place: str, reason: str
):
    with pytest.raises(ConnectionError) as error:
        fetch(f"{server}/{place}", tmp_path, note="Ask the authors.")
    assert f"{reason}): where there is a network" in str(error.value)
    assert f"put the file at {tmp_path / 'w.pth'}. Ask the authors." in str(error.value)
    assert not os.listdir(tmp_path)


def test_missing_network_is_a_sentence_and_a_file_put_there_by_hand_is_taken(tmp_path: Path):
    url = f"http://127.0.0.1:9/w-{SHA256[:8]}.pth"  # the discard port: nobody listens
    with pytest.raises(ConnectionError, match=f"refused.*put the file at {tmp_path / 'w-'}"):
        fetch(url, tmp_path)
    (tmp_path / f"w-{SHA256[:8]}.pth").write_bytes(CONTENT)
    assert fetch(url, tmp_path).with_name(f"w-{SHA256[:8]}.pth.json").is_file()


def test_mirrors_are_tried(server: str, tmp_path: Path):
    """One that the source names, after it; those a user names, before it: an address, its folder, a folder here."""
    dead = "http://127.0.0.1:9/w.pth"
    assert fetch(dead, tmp_path / "1", mirror=f"{server}/w.pth").read_bytes() == CONTENT
    assert fetch(dead, tmp_path / "2", mirrors=(f"{server}/absent", server)).read_bytes() == CONTENT
    assert fetch(dead, tmp_path / "3", mirrors=(f"{server}/w.pth",)).read_bytes() == CONTENT
    assert fetch(dead, tmp_path / "4", mirrors=(str(tmp_path / "1"),)).read_bytes() == CONTENT
    with pytest.raises(ConnectionError, match=r"nowhere/w\.pth.*or http://127"):
        fetch(dead, tmp_path / "5", mirrors=(str(tmp_path / "nowhere"),))
