from backbone.log_lines import keep_steps


def test_later_steps_and_lines_cut_short_go(tmp_path):
    rows = tmp_path / "log.csv"
    rows.write_text("step,loss\n1,0.5\n2,0.4\n2\n3,0.3\n4,")
    keep_steps(rows, 2)
    assert rows.read_text() == "step,loss\n1,0.5\n2,0.4\n"
    lines = tmp_path / "metrics.jsonl"
    lines.write_text('{"step": 2}\n{"step": 4}\n{"st\n[]\n{}\n')
    keep_steps(lines, 3)
    assert lines.read_text() == '{"step": 2}\n'
    keep_steps(lines, 1)
    assert lines.read_text() == ""


def test_no_log_stays_none(tmp_path):
    keep_steps(tmp_path / "log.csv", 3)
    assert not list(tmp_path.iterdir())
