"""Documents and results in object stores: real servers of S3 and of Google's storage, both of this machine alone."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bulk_fixtures import command, environment, ledger_lines, pages_in, results, run, sheets, write_model
from cloud_fixtures import files_at, fill
from handmade_pdf import make_pdf

pytest.importorskip("fsspec", reason="no fsspec: install the extra 'cloud'")
from layoutdeit.cloud import CloudResults, find_cloud_inputs

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
SERVERS = {
    "s3": ["moto.server", "-H", "127.0.0.1", "-p"],
    "gs": ["gcp_storage_emulator", "start", "--host", "127.0.0.1", "--in-memory", "--port"],
}
FORMATS = ("--formats", "json,jsonl,pdf,png,md", "--score", "0.1")


@pytest.fixture(scope="module", params=["s3", "gs"])
def shelf(request) -> Iterator[str]:
    """The address of an empty bucket; this process and those it starts can reach it."""
    for package in ("moto", "s3fs") if request.param == "s3" else ("gcp_storage_emulator", "gcsfs"):
        pytest.importorskip(package, reason=f"no {package}: install the extra 'dev'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = f"http://127.0.0.1:{port}"
    settings = {**CREDENTIALS, "AWS_ENDPOINT_URL": place} if request.param == "s3" else {"STORAGE_EMULATOR_HOST": place}
    server = subprocess.Popen(
        [sys.executable, "-m", *SERVERS[request.param], str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        try:
            deadline = time.monotonic() + 120
            while server.poll() is None and time.monotonic() < deadline:
                with socket.socket() as probe:
                    if not probe.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.2)
            import fsspec

            fsspec.filesystem(request.param, skip_instance_cache=True).mkdir("shelf")
            yield f"{request.param}://shelf"
        finally:
            server.kill()
            server.wait()


def test_object_store_gives_and_takes(shelf, tmp_path):
    fill(f"{shelf}/in", "a.pdf", "deep/b.pdf", data=b"%PDF-1.7")
    first, second = find_cloud_inputs([f"{shelf}/in"], tmp_path, out=f"{shelf}/out")
    second.fetch()
    assert first.source == f"{shelf}/in/a.pdf" and second.path.read_bytes() == b"%PDF-1.7"
    places = CloudResults(f"{shelf}/out", tmp_path)
    target = places.target(Path("deep/b"))
    target.parent.mkdir(parents=True)
    target.with_name("b.json").write_text("{}")
    places.publish(target)
    assert files_at(f"{shelf}/out") == {"deep/b.json": b"{}"}
    with pytest.raises(OSError, match="no-such-bucket/out"):
        CloudResults(f"{shelf[:5]}no-such-bucket/out", tmp_path)
    (gone,) = find_cloud_inputs([f"{shelf}/in/gone.pdf"], tmp_path, out="out")
    with pytest.raises(FileNotFoundError, match="check the name"):
        gone.fetch()


@pytest.mark.heavy
def test_killed_run_goes_on_and_ends_with_the_bytes_of_a_local_one(shelf, tmp_path):
    model = write_model(tmp_path / "small.safetensors")
    here = tmp_path / "in"
    for name, num_pages in (("a.pdf", 6), ("deep/b.pdf", 4), ("deep/a.pdf", 2)):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(data := make_pdf(*sheets(num_pages)))
        fill(f"{shelf}/books", name, data=data)
    options = ("--workers", 2, "--model", model, *FORMATS)
    done = run(here, "-o", tmp_path / "here", *options, timeout=600)
    assert done.returncode == 0, done.stderr
    state = tmp_path / "state"
    arguments = (f"{shelf}/books", "-o", f"{shelf}/read", "--state", state, *options)
    process = subprocess.Popen(
        command(*arguments), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (state / "ledger.jsonl").exists() or len(pages_in(ledger_lines(state))) < 4:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    done = run(*arguments, timeout=600)
    assert done.returncode == 0 and f"{shelf}/read/deep/b.json" in done.stdout, done.stderr
    pages = pages_in(ledger_lines(state))
    assert len(pages) == len(set(pages)) == 12
    assert files_at(f"{shelf}/read") == results(tmp_path / "here")
    assert {path.name for path in state.iterdir()} == {"ledger.jsonl", ".pages"}
    assert run(*arguments, timeout=600).returncode == 0 and len(pages_in(ledger_lines(state))) == 12
