"""Open a data set of PubLayNet's size and measure it: `python -m layoutdeit.full_scale DIR [--pages 335703]`.

Makes a tree in DIR whose JSON is as large as PubLayNet's train.json, outlines of text lines included, and whose
pictures are links to a few; then times the first open, later opens, and the memory of all processes of a loader.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.usage import at_least, report

if TYPE_CHECKING:
    import numpy as np

PUBLAYNET_PAGES = 335_703  # of its train.json, with 3.26 million annotations (arXiv:1908.07836, table 1)
BOXES_PER_PAGE = 10.1  # drawn; some do not fit
NUM_PATTERNS = 1_000  # pages drawn; the others repeat them
LINKS_PER_PICTURE = 50_000  # hard links; ext4 allows 65,000
PAGE_WH = (601, 792)


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, make the tree if it is not there, measure it; 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.full_scale", description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path, metavar="DIR")
    parser.add_argument("--pages", type=at_least(1), default=PUBLAYNET_PAGES)
    parser.add_argument("--workers", type=at_least(0), default=4, help="loader processes")
    parser.add_argument("--batches", type=at_least(1), default=50, help="batches of 16 to load")
    options = parser.parse_args(arguments)
    try:
        if not (options.tree / "train.json").is_file():
            started = time.perf_counter()
            make_tree(options.tree, options.pages)
            print(f"made {options.tree} in {time.perf_counter() - started:.0f} s", flush=True)
        for line in measure(options.tree, num_workers=options.workers, num_batches=options.batches):
            print(line, flush=True)
    except (ValueError, OSError) as error:
        return report(error)
    return 0


def make_tree(tree: Path, num_pages: int, *, seed: int = 0) -> None:
    """Write train.json and train/ of `num_pages` pages. Pictures are links to one per LINKS_PER_PICTURE pages."""
    import numpy as np
    from PIL import Image

    folder = tree / "train"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    patterns = [page_pattern(rng) for _ in range(min(num_pages, NUM_PATTERNS))]
    temporary = tree / "train.json.part"
    with open(temporary, "w", encoding="ascii") as file:
        file.write('{"images": [')
        for page in range(num_pages):
            width, height = PAGE_WH
            row = f'{{"file_name": "{_file_name(page)}", "height": {height}, "id": {page + 1}, "width": {width}}}'
            file.write(f"{', ' if page else ''}{row}")
        file.write('], "annotations": [')
        annotation_id = 0
        for page in range(num_pages):
            for start, end in patterns[page % len(patterns)]:
                file.write(", " if annotation_id else "")
                annotation_id += 1
                file.write(f'{start}, "image_id": {page + 1}, {end}, "id": {annotation_id}}}')
        from layoutdeit.labels import LABELS

        categories = [{"supercategory": "", "id": label.id, "name": label.name} for label in LABELS]
        file.write(f'], "categories": {json.dumps(categories)}}}')
    for page in range(num_pages):
        path = folder / _file_name(page)
        if page % LINKS_PER_PICTURE == 0:
            source = path
            noise = rng.integers(0, 255, (PAGE_WH[1] // 12, PAGE_WH[0] // 12), dtype=np.uint8)
            Image.fromarray(noise).resize(PAGE_WH).convert("RGB").save(path)
        else:
            path.unlink(missing_ok=True)
            os.link(source, path)
    temporary.rename(tree / "train.json")


def page_pattern(rng: np.random.Generator) -> list[tuple[str, str]]:
    """The annotations of a two-column page: JSON before and after each one's image id."""
    rows = []
    width, height = PAGE_WH
    for column_x in (45.0, 310.0):
        y = 50.0
        for _ in range(rng.poisson(BOXES_PER_PAGE / 2)):
            num_lines = min(1 + int(rng.geometric(0.2)), int((height - 40 - y) / 12))
            if num_lines < 1:
                break
            outline = _outline(rng, column_x, y, num_lines)
            xs, ys = outline[::2], outline[1::2]
            box = [min(xs), min(ys), round(max(xs) - min(xs), 2), round(max(ys) - min(ys), 2)]
            category = int(rng.choice(5, p=[0.71, 0.20, 0.025, 0.032, 0.033])) + 1
            area = float(box[2] * box[3] * rng.uniform(0.9, 1))
            head = f'{{"segmentation": [{json.dumps(outline)}], "area": {area}, "iscrowd": 0'
            rows.append((head, f'"bbox": {json.dumps(box)}, "category_id": {category}'))
            y += 12.0 * num_lines + 6
    return rows


def measure(tree: Path, *, num_workers: int, num_batches: int) -> Iterator[str]:
    """Lines that tell how long opening took, first and again, and how much memory a loader's processes take."""
    from torch.utils.data import DataLoader

    from layoutdeit.annotation_cache import CACHE_FROM_BYTES, read_annotations
    from layoutdeit.config import DataConfig
    from layoutdeit.publaynet import PageDataset, RunSampler

    path = tree / "train.json"
    yield f"{path.stat().st_size / 1e9:.2f} GB of JSON; {memory_line()} before opening"
    for opening in ("first open", "second open", "third open"):
        started = time.perf_counter()
        annotations = read_annotations(path, cache_from_bytes=min(CACHE_FROM_BYTES, path.stat().st_size))
        read_s = time.perf_counter() - started
        dataset = PageDataset(annotations, tree / "train", DataConfig(root=str(tree)), with_masks=True)
        seconds = time.perf_counter() - started
        memory = f"{memory_line()}; peak {peak_gb():.2f} GB"
        yield f"{opening}: {seconds:.1f} s, of which annotations {read_s:.1f} s; {memory}"
    yield from annotations.report.lines()
    steps = {"first_step": 0, "num_steps": num_batches}
    sampler = RunSampler(len(dataset), batch_size=16, seed=0, rank=0, world_size=1, **steps)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=num_workers, collate_fn=list)
    started = time.perf_counter()
    highest = (0.0, 0.0)
    for _ in loader:
        highest = max(highest, tree_memory_gb())
    rate = 16 * num_batches / (time.perf_counter() - started)
    yield (
        f"{num_workers} loader processes: {rate:.0f} pages/s with masks; highest of the whole process tree "
        f"{highest[0]:.2f} GB resident, {highest[1]:.2f} GB with shared pages counted once"
    )


def tree_memory_gb() -> tuple[float, float]:
    """Memory of this process and its children in GB: the sum of resident sets, and with shared pages shared out."""
    pids = [os.getpid()]
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            pids += [int(child) for child in task.read_text().split()]
    resident = shared_out = 0
    for pid in pids:
        fields = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if ": " in line
        )
        resident += int(fields["Rss"].split()[0])
        shared_out += int(fields["Pss"].split()[0])
    return resident / 1e6, shared_out / 1e6


def memory_line() -> str:
    """What the process tree holds now."""
    resident, shared_out = tree_memory_gb()
    return f"{resident:.2f} GB resident ({shared_out:.2f} with shared pages counted once)"


def peak_gb() -> float:
    """The most this process has held so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _file_name(page: int) -> str:
    return f"PMC{1_000_000 + page // 7}_{page % 7:05d}.jpg"


def _outline(rng: np.random.Generator, x: float, y: float, num_lines: int) -> list[float]:
    """A paragraph's outline as PubLayNet has it: down the right ends of its lines and up the left ones, closed."""
    right = x + 240 - rng.uniform(0, 3, num_lines)
    right[-1] -= rng.uniform(0, 180)
    points = [(x, y)]
    for line in range(num_lines):
        points += [(right[line], y + 12 * line), (right[line], y + 12 * line + 10.51)]
    points += [(x, y + 12 * line + 10.51) for line in reversed(range(num_lines))]
    points.append((x, y))
    return [round(float(value), 2) for point in points for value in point]


if __name__ == "__main__":
    sys.exit(main())
