import json

import pytest

from layoutdeit.speed_report import Agreement, Comparison, Report, StageCost, in_words


@pytest.fixture
def report():
    return Report(
        machine=["machine: abacus"],
        command="python -m layoutdeit.benchmark",
        date="2026-11-25",
        model="m",
        precision="bf16",
        num_pages=3,
        rates={"fp32": 50e9, "bf16": 100e9},
        stages=[
            StageCost("render", 0.05, 0.001, 0, 0.0),
            StageCost("backbone", 0.2, 0.1, 10**10, 0.1),
            StageCost("mask head, where asked for", 9.0, 9.0, 10**10, 0.1),
        ],
        page_seconds=0.4,
        page_cpu_seconds=0.3,
        pages_per_second=3.0,
        model_seconds=0.25,
        memory_mb=None,
        comparisons=[
            Comparison("other", "model", 0.5, 0.6, 0.25, 0.2, agreement=Agreement(17, 16, 0.25, 0.03)),
            Comparison("absent", "backbone", None, None, 0.2, 0.2, reason="it is not installed"),
        ],
        not_measured=["a GPU: there is none"],
    )


def cells(text: str, name: str) -> list[str]:
    return next([cell.strip() for cell in line.split("|")[2:-1]] for line in text.splitlines() if f"| {name} " in line)


def test_a_stage_has_its_share_of_the_machine(report):
    text = in_words(report)
    assert cells(text, "backbone") == ["200.0", "100.0", "10.00", "100.0", "50%"]
    assert cells(text, "render") == ["50.0", "1.0", "-", "-", "-"]
    assert cells(text, "the whole page") == ["400.0", "300.0", "10.00", "100.0", "25%"]  # without masks


def test_ratios_and_what_is_missing(report):
    text = in_words(report)
    assert cells(text, "other") == ["500", "model", "250", "2.00", "3.00", "16 of 17, 0.25 px, score 0.030"]
    assert cells(text, "absent") == ["not measured", "backbone", "200", "-", "-", "-"]
    assert text.endswith("not measured: a GPU: there is none\nnot measured: absent: it is not installed")
    assert "loaded: not measured" in text and "3.00 pages/s" in text and "fp32 50 GFLOP/s, bf16 100 GFLOP/s" in text


def test_json_is_plain_and_holds_it_all(report):
    data = json.loads(json.dumps(report.to_dict()))
    assert data["stages"][1]["utilisation"] == 0.5 and data["stages"][0]["utilisation"] is None
    assert data["comparisons"][0]["agreement"]["found"] == 16 and data["page_cpu_seconds"] == 0.3
