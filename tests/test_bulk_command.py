import pytest

from layoutdeit.analyze import main


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--workers", "0"], "at least 1"),
        (["--workers", "-2"], "at least 1"),
        (["--workers", "many"], "invalid int"),
        (["--retry-failed"], "needs the ledger"),
        (["--workers", "1", "--ray-gpus", ".5"], "needs --ray"),
        *[(["--workers", "1", "--ray", "local", f"--ray-gpus={n}"], "part of 1") for n in ("-1", "1.5", "nan", "inf")],
        (["--workers", "1", "--ray", "local", "--ray-readers=-1"], "must not be negative"),
        (["--workers", "1", "--model", "no-such-model"], "no-such-model"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(tmp_path, capsys, wrong, message):
    (tmp_path / "a.pdf").touch()
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / "a.pdf"), "-o", str(tmp_path / "out"), *wrong])
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_help_names_them(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--workers N" in (text := capsys.readouterr().out) and "--retry-failed" in text and "ledger" in text
