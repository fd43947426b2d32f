"""Documents and results at addresses: in memory, and on a real web server of this machine."""

from __future__ import annotations

import re
import sys
import threading
import uuid
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cloud_fixtures import files_at, fill

pytest.importorskip("fsspec", reason="no fsspec: install the extra 'cloud'")
from layoutdeit.analyze import main
from layoutdeit.batch import plan_targets
from layoutdeit.cloud import FETCHED_NAME, SENT_NAME, CloudResults, find_cloud_inputs, own_work_dir


@pytest.fixture
def bucket() -> str:
    """An address in this process's memory that no other test has."""
    return f"memory://{uuid.uuid4().hex}"


def test_documents_below_an_address_are_found(tmp_path, bucket):
    fill(bucket, "b.pdf", "deep/a.PDF", "deep/b.pdf", "x.annotated.pdf", ".hid/c.pdf", "n.txt", "out/d.pdf", "s.tif")
    found = find_cloud_inputs([bucket, f"{bucket}/b.pdf"], tmp_path, out=f"{bucket}/out")
    assert [item.relative.as_posix() for item in found] == ["b.pdf", "deep/a.PDF", "deep/b.pdf", "s.tif"]
    assert found[0].source == f"{bucket.replace('://', ':///')}/b.pdf" or found[0].source == f"{bucket}/b.pdf"
    targets = [target.as_posix() for target in plan_targets(found, Path())]
    assert targets == ["b", "deep/a", "deep/b", "s"]
    with pytest.raises(ValueError, match="folder of inputs too"):
        find_cloud_inputs([bucket], tmp_path, out=f"{bucket}/")


def test_copy_is_here_only_while_it_is_needed(tmp_path, bucket):
    fill(bucket, "a.pdf", data=b"%PDF-1.7")
    (item,) = find_cloud_inputs([f"{bucket}/a.pdf"], tmp_path, out="out")
    assert not item.path.exists()
    item.fetch()
    assert item.path.read_bytes() == b"%PDF-1.7" and FETCHED_NAME in item.path.parts
    item.release()
    assert not item.path.exists()


def test_results_go_whole_and_leave_nothing(tmp_path, bucket):
    places = CloudResults(f"{bucket}/out", tmp_path)
    target, other = places.target(Path("deep/a")), places.target(Path("deep"))
    for path in (target.with_name("a.json"), target / "page-0001.png", other.with_name("deep.json")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    names = [str(target.with_name("a.json").relative_to(tmp_path)), str(target.relative_to(tmp_path))]
    assert not places.exist(names)
    places.publish(target)
    assert places.exist(names) and not places.exist([f"{SENT_NAME}/x/deep.json"])
    assert files_at(f"{bucket}/out") == {"deep/a.json": b"a.json", "deep/a/page-0001.png": b"page-0001.png"}
    assert places.shown(names[0]) == f"{bucket}/out/deep/a.json"
    assert not target.parent.exists() and other.with_name("deep.json").exists()  # that of another document


def test_web_pages_are_fetched(tmp_path):
    (tmp_path / "a paper.pdf").write_bytes(b"%PDF-1.7")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = f"http://127.0.0.1:{server.server_port}"
        item, gone = find_cloud_inputs([f"{site}/a%20paper.pdf?x=1", f"{site}/gone.pdf"], tmp_path / "w", out="out")
        item.fetch()
        assert item.path.name == "a paper.pdf" and item.path.read_bytes() == b"%PDF-1.7"
        with pytest.raises(FileNotFoundError, match="check the name"):
            gone.fetch()
        server.shutdown()


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999/a.pdf", "http://ex..ample/a.pdf"])
def test_address_that_cannot_be_one_costs_only_itself(tmp_path, address):
    (item,) = find_cloud_inputs([address], tmp_path, out="out")
    with pytest.raises(OSError, match=re.escape(address)):
        item.fetch()


def test_results_may_go_to_where_the_inputs_are_below(tmp_path, bucket):
    fill(bucket, "in/a.pdf", "in/deep/b.pdf")
    found = find_cloud_inputs([f"{bucket}/in"], tmp_path, out=bucket)
    assert [item.relative.as_posix() for item in found] == ["a.pdf", "deep/b.pdf"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope://b/a.pdf"], "nope://b/a.pdf: Protocol not known: nope"),
        (["memory://b/a.pdf", "-o", "memory://o", "--workers", "1"], "needs --state DIR"),
        (["gs://b/a.pdf"], "pip install gcsfs"),
        (["ftp://"], "ftp:// names no place"),
        (["a.pdf", "--state", "s"], "--state is for results at an address"),
        (["abfs://b/a.pdf"], "pip install adlfs"),
    ],
)
def test_wrong_usage_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    from fsspec.registry import _registry

    monkeypatch.chdir(tmp_path)
    for package in ("gcsfs", "adlfs"):  # as where they are not installed
        monkeypatch.setitem(sys.modules, package, None)
    for protocol in ("gs", "abfs"):
        monkeypatch.delitem(_registry, protocol, raising=False)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    said = capsys.readouterr().err.splitlines()[-1]
    assert caught.value.code == 2 and message in said


def test_a_second_run_in_the_same_folder_is_refused_and_takes_nothing_from_the_first(tmp_path, bucket, capsys):
    fill(bucket, "a.pdf")
    copy = tmp_path / FETCHED_NAME / "0" / "a.pdf"
    with own_work_dir(tmp_path):
        copy.parent.mkdir(parents=True)
        copy.touch()
        with pytest.raises(SystemExit, match="2"):
            main([f"{bucket}/a.pdf", "-o", str(tmp_path)])
        assert "another run is at work" in capsys.readouterr().err
        assert copy.is_file()
    assert not copy.exists()
    with own_work_dir(tmp_path):  # free again
        pass
