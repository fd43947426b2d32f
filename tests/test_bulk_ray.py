import pytest
from bulk_fixtures import ledger_lines, pages_in, results, run, write_documents, write_model

from layoutdeit.analyze import main

ray = pytest.importorskip("ray", reason="needs ray: pip install 'layoutdeit[ray]'")
FORMATS = ("--formats", "json,jsonl,pdf,png", "--score", "0.1", "--device", "cpu")


@pytest.mark.heavy
def test_ray_gives_the_same_bytes(tmp_path):
    """A real cluster on this machine, of two actors."""
    model, documents = write_model(tmp_path / "small.safetensors"), write_documents(tmp_path / "in")
    for out, more in (("here", ()), ("ray", ("--ray", "local"))):
        done = run(documents, "-o", tmp_path / out, "--workers", 2, "--model", model, *FORMATS, *more)
        assert done.returncode == 1 and "3 of 9 inputs failed:" in done.stderr, done.stderr
    assert results(tmp_path / "ray") == results(tmp_path / "here")
    there, here = (sorted(pages_in(ledger_lines(tmp_path / out))) for out in ("ray", "here"))
    assert there == here and len(set(there)) == len(there)


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
