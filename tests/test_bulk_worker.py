import threading

import pytest
from bulk_fixtures import sheets, write_model
from handmade_pdf import make_pdf

from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.bulk_process import own_device
from layoutdeit.bulk_worker import BulkWorker, ModelChoice, ModelFailed, ReadFailed
from layoutdeit.layout import PageLayout
from layoutdeit.pdf import open_document


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def worker(model):
    process = BulkWorker(ModelChoice(str(model), device="cpu", score=0.1))
    process.start()
    yield process
    process.stop()


@pytest.fixture
def place(tmp_path):
    """A document of three pages, as requests name it."""
    path = tmp_path / "a.pdf"
    path.write_bytes(make_pdf(*sheets(3)))
    with open_document(path) as document:
        return {"path": str(path), "sha256": document.sha256, "password": None}


def test_process_finds_what_the_analyzer_finds(worker, model, place):
    analyzer = LayoutAnalyzer(model, device="cpu", score=0.1)
    assert (worker.info, worker.device) == (analyzer.info, "cpu")
    assert worker.ask("open", **place) == {"num_pages": 3}
    page = PageLayout.from_dict(worker.ask("analyze", **place, number=2)["page"])
    with open_document(place["path"]) as document:
        (expected,) = analyzer.analyze_pages(document, [2])
    assert page.number == 2 and len(page.regions) > 3
    assert [r.label for r in page.regions] == [r.label for r in expected.regions]
    for region, other in zip(page.regions, expected.regions, strict=True):
        assert region.box == pytest.approx(other.box, abs=0.02) and region.text == other.text


def test_errors_are_those_of_the_document(worker, place, tmp_path):
    def code_of(verb: str, **request) -> str:
        with pytest.raises(ReadFailed) as caught:
            worker.ask(verb, **request)
        assert str(caught.value)
        return caught.value.code

    (tmp_path / "b.pdf").write_bytes(b"no PDF")
    assert code_of("open", **{**place, "path": str(tmp_path / "b.pdf")}) == "corrupt"
    assert code_of("open", **{**place, "path": str(tmp_path / "none.pdf")}) == "io"
    assert code_of("open", **{**place, "sha256": "0" * 64}) == "corrupt"  # replaced since it was looked at
    assert (
        code_of("export", **place, store=str(tmp_path), numbers=[], target=str(tmp_path / "x"), formats=["json"])
        == "io"
    )
    assert worker.ask("open", **place) == {"num_pages": 3}  # and it goes on


def test_killed_between_two_pages_it_is_replaced(worker, place):
    before = worker.ask("analyze", **place, number=1)
    pid = worker._worker.pid
    worker._worker._process.kill()
    after = worker.ask("analyze", **place, number=1)
    assert worker._worker.pid != pid and worker.was_replaced
    assert after["page"]["regions"] == before["page"]["regions"]


@pytest.mark.parametrize("choice", [ModelChoice("no-such-model"), ModelChoice(engine="abacus")])
def test_model_that_cannot_be_loaded_says_why(choice):
    with pytest.raises(ModelFailed, match="no-such-model|abacus"):
        BulkWorker(choice).start()


def test_stopped_from_another_thread_it_ends_at_once(model, place):
    process = BulkWorker(ModelChoice(str(model), device="cpu"))
    process.start()
    threading.Timer(0.3, process.stop).start()
    with pytest.raises(InterruptedError):
        for _ in range(10_000):
            process.ask("analyze", **place, number=1)
    with pytest.raises(InterruptedError):
        process.ask("open", **place)


@pytest.mark.parametrize(
    ("device", "num_gpus", "expected"),
    [
        ("cuda", 8, ["cuda:0", "cuda:1", "cuda:7", "cuda:0"]),
        ("cuda", 1, ["cuda:0"] * 4),
        ("cuda:3", 8, ["cuda:3"] * 4),
        ("cpu", 8, ["cpu"] * 4),
        ("cuda", 0, ["cuda"] * 4),  # torch says what is wrong
    ],
)
def test_processes_take_turns_on_gpus(device, num_gpus, expected):
    assert [own_device(device, index, num_gpus) for index in (0, 1, 7, 8)] == expected


def test_process_that_died_of_it_elsewhere_counts(worker, place, monkeypatch):
    """The first death was another worker's: this one's is the second, and the request is at fault."""
    losses = ["crash"]
    worker._worker._process.kill()
    with pytest.raises(ReadFailed) as caught:
        worker.ask("analyze", **place, number=1, losses=losses)
    assert caught.value.code == "crash" and len(losses) == 2
    assert worker.ask("open", **place) == {"num_pages": 3}  # with a new process


def test_another_model_than_the_first_is_refused(model, place, tmp_path):
    path = tmp_path / "small.safetensors"
    path.write_bytes(model.read_bytes())
    process = BulkWorker(ModelChoice(str(path), device="cpu"))
    process.start()
    process.expected = (process.info, process.device)
    write_model(path, seed=1)
    process._worker._process.kill()
    with pytest.raises(ModelFailed, match="another model or device"):
        process.ask("analyze", **place, number=1)
