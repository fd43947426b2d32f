"""Files at an address, for the tests of cloud.py."""

from __future__ import annotations


def fill(address: str, *names: str, data: bytes = b"%PDF-") -> None:
    import fsspec

    for name in names:
        with fsspec.open(f"{address}/{name}", "wb") as file:
            file.write(data)


def files_at(address: str) -> dict[str, bytes]:
    """All that lies below an address, by name."""
    from fsspec.core import url_to_fs

    fs, place = url_to_fs(address, use_listings_cache=False)
    return {path[len(place) :].lstrip("/"): fs.cat_file(path) for path in sorted(fs.find(place))}
