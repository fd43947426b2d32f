"""Documents and results at addresses: a real object store and a real web server, both of this machine alone."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bulk_fixtures import command, environment, ledger_lines, pages_in, results, run, sheets, write_model
from handmade_pdf import make_pdf

pytest.importorskip("fsspec", reason="no fsspec: install the extra 'cloud'")
from layoutdeit.analyze import main
from layoutdeit.batch import plan_targets
from layoutdeit.cloud import FETCHED_NAME, SENT_NAME, CloudResults, find_cloud_inputs, own_work_dir

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
FORMATS = ("--formats", "json,jsonl,pdf,png,md", "--score", "0.1")


@pytest.fixture
def bucket() -> str:
    """An address in this process's memory that no other test has."""
    return f"memory://{uuid.uuid4().hex}"


def fill(address: str, *names: str, data: bytes = b"%PDF-") -> None:
    import fsspec

    for name in names:
        with fsspec.open(f"{address}/{name}", "wb") as file:
            file.write(data)


def files_at(address: str) -> dict[str, bytes]:
    """All that lies below an address, by name."""
    from fsspec.core import url_to_fs

    fs, place = url_to_fs(address, use_listings_cache=False)
    return {path[len(place) :].lstrip("/"): fs.cat_file(path) for path in sorted(fs.find(place))}


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
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "gcsfs", None)  # as where they are not installed
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    said = capsys.readouterr().err.splitlines()[-1]
    assert caught.value.code == 2 and message in said


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """What a process needs to reach an object store of this machine, which has a bucket called "shelf"."""
    pytest.importorskip("moto", reason="no moto: install the extra 'dev'")
    pytest.importorskip("s3fs", reason="no s3fs: install the extra 'cloud'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    settings = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    before = {key: os.environ.get(key) for key in settings}
    os.environ.update(settings)
    try:
        deadline = time.monotonic() + 120
        while server.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.2)
        import s3fs

        s3fs.S3FileSystem(skip_instance_cache=True).mkdir("shelf")
        yield settings
    finally:
        server.kill()
        server.wait()
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def test_object_store_gives_and_takes(store, tmp_path):
    fill("s3://shelf/in", "a.pdf", "deep/b.pdf", data=b"%PDF-1.7")
    first, second = find_cloud_inputs(["s3://shelf/in"], tmp_path, out="s3://shelf/out")
    second.fetch()
    assert first.source == "s3://shelf/in/a.pdf" and second.path.read_bytes() == b"%PDF-1.7"
    places = CloudResults("s3://shelf/out", tmp_path)
    target = places.target(Path("deep/b"))
    target.parent.mkdir(parents=True)
    target.with_name("b.json").write_text("{}")
    places.publish(target)
    assert files_at("s3://shelf/out") == {"deep/b.json": b"{}"}
    with pytest.raises(OSError, match="no-such-bucket/out"):
        CloudResults("s3://no-such-bucket/out", tmp_path)
    (gone,) = find_cloud_inputs(["s3://shelf/in/gone.pdf"], tmp_path, out="out")
    with pytest.raises(FileNotFoundError, match="check the name"):
        gone.fetch()


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


@pytest.mark.heavy
def test_killed_run_goes_on_and_ends_with_the_bytes_of_a_local_one(store, tmp_path):
    model = write_model(tmp_path / "small.safetensors")
    here = tmp_path / "in"
    for name, num_pages in (("a.pdf", 6), ("deep/b.pdf", 4), ("deep/a.pdf", 2)):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data := make_pdf(*sheets(num_pages)))
        fill("s3://shelf/books", name, data=data)
    options = ("--workers", 2, "--model", model, *FORMATS)
    done = run(here, "-o", tmp_path / "here", *options, timeout=600)
    assert done.returncode == 0, done.stderr
    state = tmp_path / "state"
    arguments = ("s3://shelf/books", "-o", "s3://shelf/read", "--state", state, *options)
    process = subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (state / "ledger.jsonl").exists() or len(pages_in(ledger_lines(state))) < 4:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = run(*arguments, timeout=600)
    assert done.returncode == 0 and "s3://shelf/read/deep/b.json" in done.stdout, done.stderr
    pages = pages_in(ledger_lines(state))
    assert len(pages) == len(set(pages)) == 12
    assert files_at("s3://shelf/read") == results(tmp_path / "here")
    assert {path.name for path in state.iterdir()} == {"ledger.jsonl", ".pages"}
    assert run(*arguments, timeout=600).returncode == 0 and len(pages_in(ledger_lines(state))) == 12
