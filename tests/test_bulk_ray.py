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

ray = pytest.importorskip("ray", reason="needs ray: pip install -e '.[ray]' in the project's folder")
FORMATS = ("--formats", "json,jsonl,pdf,png", "--score", "0.1", "--device", "cpu")


@pytest.mark.heavy
def test_ray_gives_the_same_bytes(tmp_path):
    """A real cluster on this machine, of one actor and of two."""
    model, documents = write_model(tmp_path / "small.safetensors"), write_documents(tmp_path / "in")
    for out, num_workers, more in (("here", 2, ()), ("ray1", 1, ("--ray", "local")), ("ray2", 2, ("--ray", "local"))):
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
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
    nodes.second = nodes.add_node(num_cpus=1, num_gpus=1)
    yield nodes
    nodes.shutdown()


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_a_node_is_lost_and_the_others_go_on(tmp_path, cluster):
    """Three processes for two cores, of which one goes on the way: the same bytes come out."""
    model = write_model(tmp_path / "small.safetensors")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "long.pdf").write_bytes(make_pdf(*sheets(60)))
    options = (tmp_path / "in", "--model", model, *FORMATS)
    assert run(*options, "-o", tmp_path / "here", "--workers", 2).returncode == 0
    out = tmp_path / "ray"
    process = started(*options, "-o", out, "--workers", 3, "--ray", cluster.address, "--ray-gpus", 0.5)
    wait_for_lines(out, 20, process)
    cluster.remove_node(cluster.second, allow_graceful=False)
    said, complained = process.communicate(timeout=300)
    assert process.returncode == 0, complained
    assert "no core for one of the 3 processes on the cluster: it waits" in said
    assert results(out) == results(tmp_path / "here")
    pages = pages_in(ledger_lines(out))
    assert len(pages) == len(set(pages)) == 60


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
