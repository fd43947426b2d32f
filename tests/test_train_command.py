import pytest

from backbone import stopped_job
from backbone.train_command import run_training


def run(*arguments, load=lambda path, overrides: (path, overrides), train=lambda config: None) -> int:
    options = {"module": "m", "description": "D", "configs": "configs/x", "data_root": "/data"}
    return run_training(arguments, **options, load=load, train=train)


def raiser(error):
    def fail(*arguments):
        raise error

    return fail


def test_configuration_and_overrides_reach_the_training():
    seen = []
    assert run("a.yaml", "num_steps=3", "seed=1", train=seen.append) == 0
    assert seen == [("a.yaml", ["num_steps=3", "seed=1"])]


@pytest.mark.parametrize("error", [ValueError("no such key"), FileNotFoundError("no a.yaml")])
def test_wrong_configuration_is_wrong_usage(capsys, error):
    assert run("a.yaml", load=raiser(error)) == 2
    assert f"error: {error}" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("bad"), OSError("full"), FloatingPointError("nan"), ImportError("no x")])
def test_training_that_fails_says_why(capsys, error):
    assert run("a.yaml", train=raiser(error)) == 1
    assert f"error: {error}" in capsys.readouterr().err


def test_an_error_of_ours_keeps_its_trace():
    with pytest.raises(RuntimeError, match="shapes"):
        run("a.yaml", train=raiser(RuntimeError("shapes")))


def test_lost_process_is_told_apart(capsys, monkeypatch):
    monkeypatch.setattr(stopped_job, "WAIT_FOR_TORCHRUN_S", 0.0)
    assert run("a.yaml", train=raiser(RuntimeError("[..] Connection closed by peer [127.0.0.1]:1"))) == 1
    assert "error: another process" in capsys.readouterr().err
