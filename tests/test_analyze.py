import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from handmade_pdf import Sheet, encrypted, filled, make_pdf, written
from PIL import Image

from layoutdeit.analyze import main
from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.engines.base import Detections
from layoutdeit.layout import ModelInfo
from layoutdeit.pdf import PdfError, open_document

ROOT = Path(__file__).resolve().parents[1]
INFO = ModelInfo("dark blocks", "0" * 64, "none")
BLOCK = (100, 600, 300, 700)  # in user space of a page 612 x 792
PAGE = Sheet(filled(BLOCK, 0.3))


class DarkBlocks:
    """A detector that finds the extent of all that is dark, as a table of score .9 and a worse text around it."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def predict(self, images, *, masks=False):
        (image,) = images
        self.seen.append(tuple(image.shape))
        assert image.dtype == torch.float32 and image.min() >= 0 and image.max() <= 1
        ys, xs = torch.nonzero(image.mean(0) < 0.6, as_tuple=True)
        if not len(xs):
            return [Detections(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0))]
        box = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
        boxes = torch.stack([box, box + torch.tensor([1, 1, -1, -1]), box + torch.tensor([-500, -500, 500, 500])])
        return [Detections(boxes, torch.tensor([4, 1, 5]), torch.tensor([0.9, 0.7, 0.3]))]


class OutOfOrder(DarkBlocks):
    """A detector that fails on the second page it sees."""

    def predict(self, images, *, masks=False):
        found = super().predict(images)
        if len(self.seen) == 2:
            raise RuntimeError("out of memory")
        return found


@pytest.fixture
def analyzer():
    return LayoutAnalyzer.from_detector(DarkBlocks(), INFO)


@pytest.fixture
def folder(tmp_path):
    """A good file, one behind a password, one that is no PDF, one with a bad page."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "good.pdf").write_bytes(make_pdf(PAGE, PAGE))
    (tmp_path / "in" / "safe.pdf").write_bytes(encrypted(make_pdf(PAGE), "secret"))
    (tmp_path / "in" / "text.pdf").write_bytes(b"Dear reader,")
    (tmp_path / "in" / "deep" / "good.pdf").write_bytes(make_pdf(PAGE, Sheet(is_broken=True), PAGE))
    return tmp_path / "in"


def test_regions_are_in_points_as_displayed(analyzer):
    sheet = Sheet(filled(BLOCK, 0.3) + written("a word", 120, 650), crop=(50, 400, 550, 780), rotate=90)
    layout = analyzer.analyze(make_pdf(sheet), name="paper.pdf")
    (page,) = layout.pages
    assert (layout.source.name, layout.source.num_pages, layout.model) == ("paper.pdf", 1, INFO)
    assert (page.number, page.width, page.height, page.error) == (1, 380, 500, None)
    assert page.renderer in ("poppler", "pdfium") and page.seconds > 0
    (region,) = page.regions  # the text inside it is dropped, the figure scores too low
    assert region.label == "table" and region.text.split() == ["a", "word"] and region.score == pytest.approx(0.9)
    assert region.box == pytest.approx((200, 50, 300, 250), abs=0.8)  # a pixel


def test_score_says_what_is_shown(analyzer):
    data = make_pdf(PAGE)
    assert [region.label for region in analyzer.analyze(data, score=0.2).pages[0].regions] == ["figure", "table"]
    assert analyzer.analyze(data, score=0.95).pages[0].regions == ()
    low = analyzer.analyze(data, score=0.0).pages[0]
    assert low.with_min_score(0.5).regions == analyzer.analyze(data, score=0.5).pages[0].regions
    assert low.regions[0].box[:3] == (0, 0, 612)  # cut to the page


def test_page_without_text_layer_has_no_text_and_an_empty_page_no_regions(analyzer):
    layout = analyzer.analyze(make_pdf(PAGE, Sheet()))
    assert layout.pages[0].regions[0].text is None
    assert layout.pages[1].regions == () and layout.pages[1].error is None


def test_scans_are_told_on_the_command_line_where_text_is_asked_for(analyzer, tmp_path, capsys):
    (tmp_path / "scan.pdf").write_bytes(make_pdf(PAGE, Sheet(filled(BLOCK, 0.3) + written("a word", 120, 650))))
    for formats, is_told in (("md,html,csv", True), ("json", False)):
        arguments = [str(tmp_path / "scan.pdf"), "-o", str(tmp_path / "out"), "--formats", formats]
        assert main(arguments, analyzer=analyzer) == 0
        assert ("scan.pdf: 1 of 2 pages have no text layer" in capsys.readouterr().out) is is_told


def test_pages_are_numbered_from_1_and_reported_as_they_are_done(analyzer):
    reports = []
    layout = analyzer.analyze(
        make_pdf(*[PAGE] * 4),
        pages=[4, 2],
        progress=lambda page, done, total: reports.append((page.number, done, total)),
    )
    assert [page.number for page in layout.pages] == [4, 2] and layout.source.num_pages == 4
    assert reports == [(4, 1, 2), (2, 2, 2)]


def test_pages_come_one_by_one_as_they_are_asked_for(analyzer):
    with open_document(make_pdf(*[PAGE] * 3)) as document:
        pages = analyzer.analyze_pages(document)
        assert next(pages).number == 1
        assert len(analyzer._detector.seen) == 1
        assert [page.number for page in pages] == [2, 3]


@pytest.mark.parametrize("pages", [[0], [1, 3], [-1]])
def test_pages_that_do_not_exist_are_an_error(analyzer, pages):
    with pytest.raises(ValueError, match=r"pages 1\.\.2"):
        analyzer.analyze(make_pdf(PAGE, PAGE), pages=pages)


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_score_is_between_0_and_1(analyzer, score):
    with pytest.raises(ValueError, match="between 0 and 1"):
        analyzer.analyze(make_pdf(PAGE), score=score)


def test_bad_page_does_not_lose_the_good_ones(analyzer):
    layout = analyzer.analyze(make_pdf(PAGE, Sheet(is_broken=True), PAGE))
    assert [page.error and page.error.code for page in layout.pages] == [None, "render", None]
    assert [len(page.regions) for page in layout.pages] == [1, 0, 1]


def test_failing_model_is_an_error_of_its_page():
    layout = LayoutAnalyzer.from_detector(OutOfOrder(), INFO).analyze(make_pdf(PAGE, PAGE, PAGE), name="a.pdf")
    assert [page.error and page.error.code for page in layout.pages] == [None, "model", None]
    assert "out of memory" in layout.pages[1].error.message and "page 2 of a.pdf" in layout.pages[1].error.message


def test_document_errors_are_raised(analyzer):
    with pytest.raises(PdfError) as caught:
        analyzer.analyze(b"no PDF")
    assert caught.value.code == "corrupt"


def test_picture_is_analysed_in_its_pixels(analyzer):
    picture = Image.new("L", (200, 300), "white")
    picture.paste(0, (20, 30, 120, 80))
    page = analyzer.analyze_image(picture)
    assert (page.width, page.height) == (200, 300)
    assert [(region.label, region.box) for region in page.regions] == [("table", (20, 30, 120, 80))]


def test_command_line_names_only_what_failed(analyzer, folder, tmp_path, capsys):
    status = main([str(folder), "-o", str(tmp_path / "out")], analyzer=analyzer)
    out, err = capsys.readouterr()
    assert status == 1
    progress, summary = err.split("3 of 4 inputs failed:\n")
    assert "good.pdf 2/2" in progress and "1 regions" in progress
    lines = [line.strip().removeprefix(f"{folder}/") for line in summary.splitlines()]
    assert [line.split(": ")[:2] for line in lines] == [
        ["deep/good.pdf", "render"],
        ["safe.pdf", "encrypted"],
        ["text.pdf", "corrupt"],
    ]
    assert "1 of 3 pages failed (2)" in lines[0] and "needs a password" in lines[1]
    assert "good.pdf -> " in out
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    pages = ["deep/good/page-0001.png", "deep/good/page-0003.png", "good/page-0001.png", "good/page-0002.png"]
    files = ["deep/good.annotated.pdf", "deep/good.json", "good.annotated.pdf", "good.json"]
    assert written == sorted(files + pages)


def test_command_line_all_done(analyzer, folder, tmp_path, capsys):
    inputs = [str(folder / "good.pdf"), str(folder / "safe.pdf")]
    options = ["-o", str(tmp_path / "out"), "--formats", "json", "--pages", "1", "--password", "secret", "--quiet"]
    assert main(inputs + options, analyzer=analyzer) == 0
    assert capsys.readouterr() == ("", "")
    data = json.loads((tmp_path / "out" / "good.json").read_text())
    assert [page["number"] for page in data["pages"]] == [1] and data["source"]["num_pages"] == 2


def test_missing_file_and_page_beyond_the_end_fail_alone(analyzer, folder, tmp_path, capsys):
    inputs = [str(folder / "none.pdf"), str(folder / "good.pdf"), str(folder / "deep" / "good.pdf")]
    options = ["-o", str(tmp_path / "out"), "--formats", "json", "--pages", "3", "-q"]
    assert main(inputs + options, analyzer=analyzer) == 1
    err = capsys.readouterr().err
    assert "none.pdf: missing:" in err and "in/good.pdf: empty:" in err and "2 of 3" in err
    assert [path.name for path in (tmp_path / "out").rglob("*.json")] == ["good.json"]


@pytest.mark.parametrize(
    "wrong",
    [["--pages", "3-1"], ["--formats", "json,docx"], ["--score", "2"], ["--score", "high"], ["--engine", "abacus"]],
)
def test_wrong_usage_ends_with_2_before_anything_is_done(analyzer, folder, tmp_path, capsys, wrong):
    with pytest.raises(SystemExit) as caught:
        main([str(folder), "-o", str(tmp_path / "out"), *wrong], analyzer=analyzer)
    assert caught.value.code == 2 and "error:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_inputs_is_wrong_usage(analyzer, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), "-o", str(tmp_path / "out")], analyzer=analyzer)
    assert caught.value.code == 2 and "no PDF files and no scans" in capsys.readouterr().err


def test_input_is_never_overwritten(analyzer, tmp_path, capsys):
    data = make_pdf(PAGE)
    for name in ("x.pdf", "x.annotated.pdf"):
        (tmp_path / name).write_bytes(data)
    assert main([str(tmp_path / "x.pdf"), "-o", str(tmp_path), "-q"], analyzer=analyzer) == 0
    assert (tmp_path / "x.pdf").read_bytes() == data
    inputs = [str(tmp_path / "x.pdf"), str(tmp_path / "x.annotated.pdf")]
    with pytest.raises(SystemExit):
        main([*inputs, "-o", str(tmp_path)], analyzer=analyzer)
    assert "is an input" in capsys.readouterr().err


def test_interruption_leaves_whole_files_only(folder, tmp_path, capsys):
    class Interrupted(DarkBlocks):
        def predict(self, images, *, masks=False):
            if len(self.seen) == 3:
                raise KeyboardInterrupt
            return super().predict(images)

    analyzer = LayoutAnalyzer.from_detector(Interrupted(), INFO)
    inputs = [str(folder / "good.pdf"), str(folder / "deep")]
    assert main([*inputs, "-o", str(tmp_path / "out"), "--formats", "json"], analyzer=analyzer) == 130
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 1


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_is_instant_and_quiet():
    start = time.perf_counter()
    result = run("-W", "error", "-m", "layoutdeit.analyze", "--help")
    assert result.returncode == 0 and "--formats" in result.stdout and result.stderr == ""
    assert time.perf_counter() - start < 5  # .2 s on an idle machine; torch alone would take 2
    modules = run("-c", "import sys, layoutdeit.analyze, layoutdeit.batch; print('torch' in sys.modules)")
    assert modules.stdout.strip() == "False", modules.stderr


def test_unknown_model_is_wrong_usage(tmp_path, capsys):
    (tmp_path / "x.pdf").write_bytes(make_pdf(PAGE))
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), "-o", str(tmp_path / "out"), "--model", "no-such-model"])
    assert caught.value.code == 2 and "no-such-model" in capsys.readouterr().err


def test_real_documents_from_end_to_end(analyzer, data_dir, tmp_path, capsys):
    paths = [str(path) for path in sorted((data_dir / "pdfs").glob("*.pdf"))]
    options = ["-o", str(tmp_path), "--pages", "1", "--formats", "json,pdf"]
    assert main([*paths, *options], analyzer=analyzer) == 1
    summary = capsys.readouterr().err.split("inputs failed:\n")[1]
    assert len(summary.splitlines()) == 1 and "password.pdf: encrypted:" in summary
    assert main([*paths, *options, "--password", "openpassword"], analyzer=analyzer) == 0
    for path in tmp_path.glob("*.annotated.pdf"):
        with open_document(path) as document:
            assert document.render(0).image.getextrema()
    assert len(list(tmp_path.glob("*.json"))) == len(list(tmp_path.glob("*.annotated.pdf"))) == len(paths)


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_device_that_is_not_there_is_wrong_usage(tmp_path, capsys, device):
    (tmp_path / "a.pdf").touch()
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / "a.pdf"), "-o", str(tmp_path / "out"), "--device", device])
    assert caught.value.code == 2 and f"device {device} cannot be used here" in capsys.readouterr().err


def test_results_need_a_folder(analyzer, folder, tmp_path, capsys):
    (tmp_path / "note.txt").touch()
    with pytest.raises(SystemExit) as caught:
        main([str(folder), "-o", str(tmp_path / "note.txt")], analyzer=analyzer)
    assert caught.value.code == 2 and "note.txt is a file: choose a folder with -o" in capsys.readouterr().err
