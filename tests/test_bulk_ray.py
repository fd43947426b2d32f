import re
import subprocess
import sys

import pytest
from bulk_fixtures import (
    ledger_lines,
    pages_in,
    results,
    run,
    sheets,
    started,
    wait_for_lines,
    write_documents,
    write_model,
)
from handmade_pdf import make_pdf

from layoutdeit.analyze import main
from layoutdeit.bulk_ray import PAGES_AHEAD, Readers, connect
from layoutdeit.pdf import open_document

ray = pytest.importorskip("ray", reason="needs ray: pip install -e '.[ray]' in the project's folder")
Cluster = pytest.importorskip("ray.cluster_utils").Cluster
FORMATS = ("--formats", "json,jsonl,pdf,png", "--score", "0.1", "--device", "cpu")


@pytest.mark.heavy
def test_ray_gives_the_same_bytes(tmp_path):
    """A real cluster on this machine, of one actor, and of two with a reader each."""
    model, documents = write_model(tmp_path / "small.safetensors"), write_documents(tmp_path / "in")
    with_readers = ("--ray", "local", "--ray-readers", 1)
    for out, num_workers, more in (("here", 2, ()), ("ray1", 1, ("--ray", "local")), ("ray2", 2, with_readers)):
        done = run(documents, "-o", tmp_path / out, "--workers", num_workers, "--model", model, *FORMATS, *more)
        assert done.returncode == 1 and "3 of 9 inputs failed:" in done.stderr, done.stderr
    here = sorted(pages_in(ledger_lines(tmp_path / "here")))
    assert len(set(here)) == len(here)
    for out in ("ray1", "ray2"):
        assert results(tmp_path / out) == results(tmp_path / "here")
        assert sorted(pages_in(ledger_lines(tmp_path / out))) == here


@pytest.fixture
def cluster():
    """A head and one more node, each of a core; the cluster believes in a GPU on both."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
    nodes.second = nodes.add_node(num_cpus=1, num_gpus=1)
    yield nodes
    nodes.shutdown()


@pytest.fixture
def long_document(tmp_path):
    """60 pages; and the options of a run over them."""
    model = write_model(tmp_path / "small.safetensors")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "long.pdf").write_bytes(make_pdf(*sheets(60)))
    return (tmp_path / "in", "--model", model, *FORMATS)


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_node_is_lost_and_the_others_go_on(tmp_path, cluster, long_document):
    """Three processes for two cores, of which one goes on the way: the same bytes come out."""
    assert run(*long_document, "-o", tmp_path / "here", "--workers", 2).returncode == 0
    out = tmp_path / "ray"
    process = started(*long_document, "-o", out, "--workers", 3, "--ray", cluster.address, "--ray-gpus", 0.5)
    wait_for_lines(out, 20, process)
    cluster.remove_node(cluster.second, allow_graceful=False)
    said, complained = process.communicate(timeout=300)
    assert process.returncode == 0, complained
    assert "no core for one of the 3 processes on the cluster: it waits" in said
    assert results(out) == results(tmp_path / "here")
    pages = pages_in(ledger_lines(out))
    assert len(pages) == len(set(pages)) == 60


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_node_with_a_reader_is_lost(tmp_path, long_document):
    """The model is on the node with the GPU, its reader on the other: the model's process then reads for itself."""
    assert run(*long_document, "-o", tmp_path / "here", "--workers", 1).returncode == 0
    out = tmp_path / "ray"
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
    try:
        second = nodes.add_node(num_cpus=1)
        options = ("--workers", 1, "--ray", nodes.address, "--ray-gpus", 1, "--ray-readers", 1)
        process = started(*long_document, "-o", out, *options)
        wait_for_lines(out, 20, process)
        nodes.remove_node(second, allow_graceful=False)
        _, complained = process.communicate(timeout=300)
        assert process.returncode == 0, complained
    finally:
        nodes.shutdown()
    assert results(out) == results(tmp_path / "here")
    assert len(set(pages_in(ledger_lines(out)))) == 60


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_object_store_holds_few_pages_at_a_time(tmp_path, long_document):
    """What `ray memory` says while pages with pictures of 160 MiB in all go from readers to models.

    Ray lets go of what nobody needs once a second, a quick machine's work of a second with it: here at once.
    """
    at_once = {"_system_config": {"free_objects_period_milliseconds": 0}}
    head = {"num_cpus": 4, "object_store_memory": 80 << 20, **at_once}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        out = tmp_path / "ray"
        process = started(*long_document, "-o", out, "--workers", 2, "--ray", nodes.address, "--ray-readers", 1)
        seen = []
        while process.poll() is None:
            seen.append(stored_objects(nodes.address))
        assert process.returncode == 0, process.communicate()
    finally:
        nodes.shutdown()
    most_mib, most_objects = map(max, zip(*seen, strict=True))
    print(f"at most {most_objects} objects, {most_mib} MiB, in {len(seen)} looks")
    assert 1 <= most_objects <= 2 * (PAGES_AHEAD + 1) and most_mib <= 3 * most_objects


def stored_objects(address: str) -> tuple[int, int]:
    """(MiB, count) of what the object store of a cluster holds."""
    looked = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "memory", "--stats-only", "--address", address],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = re.search(r"Plasma memory usage (\d+) MiB, (\d+) objects", looked.stdout)
    assert found, looked
    return int(found[1]), int(found[2])


@pytest.fixture
def one_reader(tmp_path):
    """A reader on a cluster of one core, and requests for the three pages of a document."""
    connect("local", 1)
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf(*sheets(3)))
    with open_document(path) as document:
        place = {"path": str(path), "sha256": document.sha256, "password": None}
    readers = Readers(1)
    ray.get(readers._ready)
    yield readers, [{**place, "number": number} for number in (1, 2, 3)]
    readers.stop()
    ray.shutdown()


@pytest.mark.heavy
def test_pages_are_read_ahead_and_no_further(one_reader):
    readers, requests = one_reader
    readers.begin(requests)
    page = ray.get(readers.take(requests[0], 60))
    assert (page.number, page.size_pt, page.picture.image.width) == (1, (612, 792), 850)
    assert any(word.text == "Line" for word in page.words)
    assert readers.take(requests[2], 60) is None  # not yet begun with
    readers.begin(requests[1:])
    assert [ray.get(readers.take(request, 60)).number for request in requests[1:]] == [2, 3]
    assert readers.take(requests[1], 60) is None  # a page is given once


@pytest.mark.heavy
def test_reader_that_dies_is_replaced(one_reader):
    readers, requests = one_reader
    ray.kill(readers._actors[0])
    readers.begin(requests)
    assert readers.take(requests[0], 60) is None and readers.take(requests[1], 60) is None
    ray.get(readers._ready)
    readers.begin(requests[1:])
    assert ray.get(readers.take(requests[1], 60)).number == 2


@pytest.mark.heavy
def test_document_that_cannot_be_read_is_left_to_the_model(one_reader):
    readers, requests = one_reader
    wrong = [{**requests[0], "sha256": "0" * 64}, {**requests[1], "path": "none.pdf"}]
    readers.begin(wrong)
    assert [readers.take(request, 60) for request in wrong] == [None, None]


@pytest.mark.parametrize(
    ("address", "message"),
    [("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"), ("here", "HOST:PORT"), ("x:y", "HOST:PORT")],
)
def test_no_cluster_is_wrong_usage_and_said_at_once(tmp_path, capsys, address, message):
    (tmp_path / "a.pdf").touch()
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / "a.pdf"), "-o", str(tmp_path / "out"), "--workers", "1", "--ray", address])
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_how_many_must_be_said(tmp_path, capsys):
    (tmp_path / "a.pdf").touch()
    with pytest.raises(SystemExit):
        main([str(tmp_path / "a.pdf"), "-o", str(tmp_path / "out"), "--ray", "local"])
    assert "--ray needs --workers" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "a.pdf"), "-o", str(tmp_path / "out"), "--workers", "1", "--ray-readers", "1"])
    assert "--ray-readers needs --ray" in capsys.readouterr().err
