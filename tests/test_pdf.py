import hashlib
import os
import threading
from pathlib import Path

import pytest
from handmade_pdf import Sheet, encrypted, filled, make_pdf, written

from layoutdeit.limits import Limits
from layoutdeit.pdf import open_document
from layoutdeit.pdf_error import PdfError
from layoutdeit.source_file import plain_name
from layoutdeit.worker_pool import WORKERS

ONE_PAGE = make_pdf(Sheet(written("Hello layout", 72, 700)))


def error_of(source, **options) -> PdfError:
    with pytest.raises(PdfError) as caught, open_document(source, **options):
        pass
    return caught.value


def test_path_and_bytes_are_the_same_document(tmp_path):
    path = tmp_path / "of mine – ü.pdf"
    path.write_bytes(ONE_PAGE)
    with open_document(path) as a, open_document(str(path)) as b, open_document(ONE_PAGE, name="upload.pdf") as c:
        assert (a.name, b.name, c.name) == (path.name, path.name, "upload.pdf")
        assert a.sha256 == b.sha256 == c.sha256 == hashlib.sha256(ONE_PAGE).hexdigest()
        assert a.num_pages == c.num_pages == 1
        assert a.render(0).image.tobytes() == c.render(0).image.tobytes()
        assert a.words(0) == c.words(0)


@pytest.mark.parametrize(
    ("sheet", "size"),
    [
        (Sheet(), (612, 792)),
        (Sheet(rotate=90), (792, 612)),
        (Sheet(media=(-50, 20, 350, 320), crop=(-40, 40, 300, 300), rotate=270), (260, 340)),
        (Sheet(media=(0, 0, 200, 100), crop=(-20, -20, 150, 500)), (150, 100)),  # crop box beyond the media box
        (Sheet(media=(0, 0, 595.2, 841.92)), (595.2, 841.92)),
        (Sheet(media=(0, 0, 200, 100), rotate=180, user_unit=2.5), (500, 250)),
    ],
)
def test_page_size_is_as_displayed(sheet, size):
    with open_document(make_pdf(Sheet(), sheet)) as document:
        assert document.page_size(1) == pytest.approx(size)
        assert document.page_size(0) == (612, 792)


def test_user_unit_behind_encryption_is_found():
    data = encrypted(make_pdf(Sheet(media=(0, 0, 100, 200), user_unit=3)), "secret")
    with open_document(data, password="secret") as document:
        assert document.page_size(0) == (300, 600)


def test_encrypted_needs_the_password():
    data = encrypted(ONE_PAGE, "secret")
    missing, wrong = error_of(data, name="safe.pdf"), error_of(data, name="safe.pdf", password="guess")
    assert missing.code == wrong.code == "encrypted"
    assert "safe.pdf" in str(missing) and "needs a password" in str(missing)
    assert "the password was not accepted" in str(wrong)
    for password in ("secret", "the owner's own"):
        with open_document(data, password=password) as document:
            assert [word.text for word in document.words(0)] == ["Hello", "layout"]


def test_password_that_is_not_needed_does_no_harm():
    with open_document(ONE_PAGE, password="anything") as document:
        assert document.password is None and document.render(0).image.size == (850, 1100)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (make_pdf(), "empty"),
        (b"\x89PNG\r\n\x1a\n and so on", "corrupt"),
        (b"%PDF-1.7\n%%EOF", "corrupt"),
        (ONE_PAGE[:60], "corrupt"),
    ],
)
def test_what_is_no_document_is_an_error_with_a_sentence(data, code, tmp_path):
    path = tmp_path / "bad.pdf"
    path.write_bytes(data)
    for error in (error_of(path), error_of(data, name="bad.pdf")):
        assert error.code == code
        assert str(error).startswith("bad.pdf ") and str(error).endswith(".")


def test_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.pdf"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # a hole: takes no room
    assert error_of(path).code == "too_large"


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_document(tmp_path / "none.pdf")


def test_truncated_tail_is_repaired():
    """Without cross references pdfium searches the objects; what it finds is as before."""
    with open_document(ONE_PAGE[: ONE_PAGE.rindex(b"xref\n0")] + b"trailer\n<< /Root 1 0 R >>\n") as document:
        assert [word.text for word in document.words(0)] == ["Hello", "layout"]


def test_broken_page_is_an_error_and_its_neighbours_are_not():
    with open_document(make_pdf(Sheet(), Sheet(is_broken=True), Sheet())) as document:
        for method in (document.page_size, document.render, document.words):
            with pytest.raises(PdfError, match="page 2") as caught:
                method(1)
            assert caught.value.code == "render"
        assert document.render(2).image.size == (850, 1100)


def test_no_such_page_is_an_index_error():
    with open_document(ONE_PAGE) as document:
        for index in (1, -1):
            with pytest.raises(IndexError, match="0..0"):
                document.render(index)


def test_without_poppler_pdfium_renders_the_same_frame(monkeypatch, tmp_path):
    data = make_pdf(Sheet(filled((0, 0, 300, 300)), (0, 0, 600, 500), rotate=90))
    with open_document(data) as document:
        usual = document.render(0)
        monkeypatch.setenv("PATH", str(tmp_path))
        without = document.render(0)
    assert without.renderer == "pdfium"
    assert without.image.size == usual.image.size and without.dpi == usual.dpi
    assert without.image.getpixel((100, 100)) == usual.image.getpixel((100, 100)) == (0, 0, 0)


def fake_poppler(folder: Path, script: str, monkeypatch) -> None:
    """Put programs of poppler's names in the place of poppler."""
    for name in ("pdfinfo", "pdftoppm"):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_page_that_poppler_cannot_draw_is_drawn_by_pdfium(tmp_path, monkeypatch):
    fake_poppler(tmp_path, "exit 1", monkeypatch)
    with open_document(ONE_PAGE) as document:
        assert document.render(0).renderer == "pdfium"
        with pytest.raises(PdfError, match="cannot be drawn") as caught:
            document.render(0, renderer="poppler")
    assert caught.value.code == "render"


def test_poppler_that_hangs_leaves_time_for_pdfium_and_no_process(tmp_path, monkeypatch):
    fake_poppler(tmp_path, f"echo $$ >> {tmp_path}/pids; exec sleep 60", monkeypatch)
    with open_document(ONE_PAGE, limits=Limits(page_s=1)) as document:
        assert document.render(0).renderer == "pdfium"
        assert [word.text for word in document.words(0)] == ["Hello", "layout"]
    pids = (tmp_path / "pids").read_text().split()
    assert pids and not [pid for pid in pids if is_running(int(pid))]


def test_password_is_on_no_command_line(pdftoppm, tmp_path, monkeypatch):
    """A program of poppler's name that notes what it is called with, then does what poppler does."""
    real = Path(pdftoppm).parent
    fake_poppler(tmp_path, f'echo "$0 $*" >> {tmp_path}/calls\nexec "{real}/$(basename "$0")" "$@"', monkeypatch)
    with open_document(encrypted(ONE_PAGE, "secret"), password="secret") as document:
        picture = document.render(0, renderer="poppler").image
    assert picture.getextrema()[0][0] < 100
    calls = (tmp_path / "calls").read_text()
    assert "pdftoppm" in calls and "secret" not in calls


def is_running(pid: int) -> bool:
    """Whether there is a process of this number that is not dead already."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_bytes_leave_no_file_behind_even_when_killed(pdftoppm, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    document = open_document(ONE_PAGE)
    assert document.render(0, renderer="poppler").image.size == (850, 1100)
    if Path("/proc/self/fd").is_dir():
        assert not list(tmp_path.iterdir())  # a file without a name
    document.close()
    document.close()
    assert not list(tmp_path.iterdir())


def test_threads_share_a_document():
    with open_document(make_pdf(*[Sheet(written(f"page{n}", 72, 700)) for n in range(6)])) as document:
        read: dict[int, list[str]] = {}

        def work(index: int) -> None:
            document.render(index, renderer="pdfium")
            read[index] = [word.text for word in document.words(index)]

        threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    assert read == {index: [f"page{index}"] for index in range(6)}


def test_real_documents_open_and_draw(data_dir):
    for path in sorted((data_dir / "pdfs").glob("*.pdf")):
        with open_document(path, password="openpassword") as document:
            assert document.render(0, renderer="pdfium").image.size == document.render(0).image.size
            assert document.words(0)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        (r"C:\\scans\\a.pdf", "a.pdf"),
        ("a\nb\x1b[31m.pdf", "a\ufffdb\ufffd[31m.pdf"),
        ("\udcff.pdf", "\ufffd.pdf"),
        ("/", "document"),
        ("Übersicht – 概要.pdf", "Übersicht – 概要.pdf"),
    ],
)
def test_names_hold_no_folders_and_nothing_a_terminal_obeys(given, plain):
    assert plain_name(given) == plain


def test_document_that_took_too_long_is_read_no_further():
    limits = Limits(document_s=1e-6, mean_page_s=1e-6)
    with open_document(make_pdf(Sheet(), Sheet()), limits=limits) as document:
        for index in range(2):
            with pytest.raises(PdfError, match="took too long") as caught:
                document.render(index)
            assert caught.value.code == "timeout"


def test_looking_at_pages_again_and_again_does_not_end_a_document():
    with open_document(ONE_PAGE, limits=Limits(document_s=0.2, mean_page_s=0.2)) as document:
        for _ in range(30):
            assert document.render(0).image
        assert document._seconds > 0.4


def test_file_that_is_replaced_is_not_taken_for_the_first(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(ONE_PAGE)
    with open_document(path) as document:
        other = tmp_path / "b.pdf"
        other.write_bytes(make_pdf(Sheet(written("Another", 72, 700))))
        other.replace(path)
        assert [word.text for word in document.words(0)] == ["Hello", "layout"]  # open is open
        WORKERS.stop_all()
        with pytest.raises(PdfError, match="replaced") as caught:
            document.render(0)
    assert caught.value.code == "corrupt"


def test_closed_document_says_so():
    document = open_document(ONE_PAGE)
    document.close()
    with pytest.raises(ValueError, match="closed"):
        document.words(0)


def test_words_that_are_no_text_of_this_world_arrive_whole():
    """Text is data on every way it takes: quotes, tags and backslashes come out as they went in."""
    text = '<script>alert("x")</script> \\\\ {"error": 1}'
    with open_document(make_pdf(Sheet(written(text, 20, 700)))) as document:
        assert " ".join(word.text for word in document.words(0)) == text.replace("\\\\", "\\")
