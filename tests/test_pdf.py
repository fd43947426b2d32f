import hashlib
import threading
from pathlib import Path

import pytest
from handmade_pdf import Sheet, encrypted, filled, make_pdf, written

from layoutdeit.pdf import PdfError, open_document

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


def test_poppler_is_given_the_password(pdftoppm):
    with open_document(encrypted(ONE_PAGE, "secret"), password="secret") as document:
        assert document.render(0, renderer="poppler").image.getextrema()[0][0] < 100


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


def test_page_that_poppler_cannot_draw_is_drawn_by_pdfium(pdftoppm, tmp_path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(ONE_PAGE)
    with open_document(path) as document:
        assert document.render(0).renderer == "poppler"
        path.unlink()  # pdfium holds it open; poppler opens it anew
        assert document.render(0).renderer == "pdfium"
        with pytest.raises(PdfError, match="cannot be drawn") as caught:
            document.render(0, renderer="poppler")
    assert caught.value.code == "render"


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
