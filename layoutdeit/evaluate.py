"""Evaluate a detector: `python -m layoutdeit.evaluate [NAME|FILE] --annotations val.json --images DIR`.

Prints COCO AP of boxes and masks, per class and overall, as the detector gives them and after post-processing, and
writes metrics.json. Under torchrun the processes share the pages; the numbers are the same.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbone.config import PRECISIONS as AUTOCAST_PRECISIONS
from backbone.usage import at_least, check_writable, checking_usage, report, report_interruption
from layoutdeit.engines import ENGINES, PRECISIONS

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from layoutdeit.loop import PageResults
    from layoutdeit.publaynet import PageDataset
    from layoutdeit.weights import LoadedModel

DEFAULT_RESAMPLES = 200


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, evaluate, and return the exit status: 0 done, 1 failed, 2 usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with checking_usage():
            _check_paths(options)

        from backbone.run_state import open_fabric
        from layoutdeit.loop import detect_pages
        from layoutdeit.publaynet import PageDataset, read_annotations
        from layoutdeit.weights import load_model

        is_cast = options.precision in PRECISIONS
        fabric = open_fabric("32-true" if is_cast else options.precision, options.devices)
        precision = options.precision if is_cast else "fp32"
        loaded = load_model(options.model, engine=options.engine, device=fabric.device, precision=precision)
        if options.no_fit:
            loaded.config.fit_to_ink = False  # the detector reads the same object
        with fabric.rank_zero_first(local=True):  # a large file is parsed once
            annotations = read_annotations(options.annotations)
        dataset = PageDataset(annotations, options.images, None)
        if not len(dataset):
            raise ValueError(f"{options.annotations} names no pages: there is nothing to evaluate on")
        if fabric.is_global_zero:
            print("\n".join(dataset.report_lines()), file=sys.stderr)
        with_masks = loaded.config.heads.mask_layers > 0 and not options.no_masks
        started = time.perf_counter()
        with fabric.autocast():
            found = detect_pages(
                fabric,
                loaded.detector,
                dataset,
                loaded.config.input,
                batch_size=options.batch_size,
                num_workers=options.workers,
                masks=with_masks,
                on_batch=_progress(fabric),
            )
        seconds = time.perf_counter() - started
        if fabric.is_global_zero:
            _report(options, loaded, dataset, found, with_masks, seconds)
        fabric.barrier()
    except KeyboardInterrupt:
        return report_interruption()
    except (ValueError, OSError, ImportError) as error:
        return report(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.evaluate", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("model", nargs="?", help="registry name or model file; none: the shipped model")
    add("--annotations", required=True, type=Path, help="COCO file with PubLayNet's categories")
    add("--images", required=True, type=Path, help="folder of the pictures it names")
    add("--output", type=Path, default=Path("metrics.json"), help="where to write the numbers")
    add("--engine", default="torchvision", choices=ENGINES, help="engine that runs the model")
    add("--no-masks", action="store_true", help="boxes only: quicker")
    add("--no-fit", action="store_true", help="the network's own boxes, not moved to the ink of the page")
    add("--detections", type=Path, metavar="FILE", help="write what was found as COCO results")
    add("--baseline", type=Path, metavar="FILE", help="--detections of another run on these pages: print what differs")
    add("--ablate", action="store_true", help="AP and overlaps with and without each clean-up rule")
    add("--gallery", type=Path, metavar="FILE", help="write the worst pages, drawn, as one HTML file")
    add("--gallery-pages", type=at_least(1), default=40, metavar="N")
    add(
        "--bootstrap",
        type=at_least(0),
        default=DEFAULT_RESAMPLES,
        metavar="N",
        help="resamples of pages for intervals of AP; 0: none",
    )
    add("--batch-size", type=at_least(1), default=1, metavar="N", help="pages of the same size at once")
    add("--workers", type=at_least(0), default=0, metavar="N", help="loader processes per process")
    add(
        "--devices",
        type=at_least(1),
        default=1,
        metavar="N",
        help="processes on this machine; under torchrun its own count",
    )
    add(
        "--precision",
        default="32-true",
        choices=(*AUTOCAST_PRECISIONS, *PRECISIONS),
        help="32-true, bf16-mixed, 16-mixed; or auto, bf16, int8, fp32: as analyze has it",
    )
    return parser


def _check_paths(options: argparse.Namespace) -> None:
    """ValueError or OSError unless the model, the pages and the places to write to are there."""
    from layoutdeit.model_registry import existing_model

    existing_model(options.model)
    if not options.annotations.is_file():
        raise FileNotFoundError(
            f"no annotations at {options.annotations}: expected a COCO file with PubLayNet's categories"
        )
    if not options.images.is_dir():
        raise FileNotFoundError(f"no folder {options.images}: give that of the pictures that the annotations name")
    for path in filter(None, (options.output, options.detections, options.gallery)):
        check_writable(path)
    if options.baseline:
        _read_baseline(options.baseline)


def _progress(fabric: Fabric) -> Any:
    started, shown = time.perf_counter(), [time.perf_counter()]

    def show(done: int, total: int) -> None:
        now = time.perf_counter()
        if fabric.is_global_zero and (done == total or now - shown[0] > 10):
            shown[0] = now
            left_min = (now - started) / done * (total - done) / 60
            share = f" of this process, one of {fabric.world_size}" if fabric.world_size > 1 else ""
            print(f"{done}/{total} pages{share}, {left_min:.0f} min left", file=sys.stderr)

    return show


def _report(
    options: argparse.Namespace,
    loaded: LoadedModel,
    dataset: PageDataset,
    found: PageResults,
    with_masks: bool,
    seconds: float,
) -> None:
    """Turn detections into numbers: print them and write the files asked for."""
    from layoutdeit.bootstrap import CONFIDENCE, ap_gain_intervals, ap_intervals
    from layoutdeit.coco_eval import (
        clean_results,
        format_metrics,
        load_truth,
        match_detections,
        metrics_of,
        metrics_to_dict,
    )
    from layoutdeit.gallery import page_scores, write_gallery

    if not found.image_ids:
        raise ValueError(f"none of the {len(dataset)} pages can be read; the first: {found.broken[0]}")
    truth = load_truth(options.annotations)
    tables = {}
    matches = {}
    for key, entries in (("raw", found.entries), ("postprocessed", clean_results(found.entries))):
        kinds = ("bbox", "segm") if with_masks else ("bbox",)
        matches[key] = [match_detections(truth, entries, iou_type=kind, image_ids=found.image_ids) for kind in kinds]
        tables[key] = [*map(metrics_of, matches[key]), None][:2]
    content = metrics_to_dict(*tables["raw"])
    content["postprocessed"] = metrics_to_dict(*tables["postprocessed"])
    content["pages"] = {
        "evaluated": len(found.image_ids),
        "without_picture": len(dataset.missing),
        "unreadable": len(found.broken),
    }
    for reason in found.broken:
        print(f"left out: {reason}", file=sys.stderr)
    name = f"{loaded.info.name} ({options.engine})"
    print(f"{name} on {len(found.image_ids)} pages, {seconds / max(1, len(found.image_ids)):.2f} s/page")
    print(format_metrics(*tables["raw"], published=True))
    print(
        "published: DeiT-B Mask R-CNN on PubLayNet's val split (arXiv:2203.02378), to compare with on that split only"
    )
    print("\nafter post-processing\n" + format_metrics(*tables["postprocessed"]))
    if options.ablate:
        from layoutdeit.ablation import ablate, format_ablation

        rows = ablate(truth, found.entries, found.image_ids)
        content["ablation"] = [asdict(row) for row in rows]
        print("\n" + format_ablation(rows))
    if options.bootstrap:
        intervals = ap_intervals(matches["raw"][0], num_resamples=options.bootstrap)
        content["intervals"] = {key: value and asdict(value) for key, value in intervals.items()}
        shown = ", ".join(f"{key} {v.low:.3f} to {v.high:.3f}" for key, v in intervals.items() if v is not None)
        print(f"\nbox AP, {CONFIDENCE:.0%} intervals over pages ({options.bootstrap} resamples): {shown}")
    if options.baseline:
        other = match_detections(truth, _read_baseline(options.baseline), image_ids=found.image_ids)
        gains = ap_gain_intervals(matches["raw"][0], other, num_resamples=options.bootstrap or DEFAULT_RESAMPLES)
        before = metrics_of(other)
        content["gain"] = {key: value and asdict(value) for key, value in gains.items()}
        for key, gain in gains.items():
            if gain is not None:
                step = tables["raw"][0][key].ap - before[key].ap
                content["gain"][key]["AP"] = step
                print(f"{key}: box AP {step:+.4f} to {options.baseline}, {gain.low:+.4f} to {gain.high:+.4f}, paired")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if options.detections:
        options.detections.parent.mkdir(parents=True, exist_ok=True)
        options.detections.write_text(json.dumps(found.entries), encoding="utf-8")
    if options.gallery:
        worst = page_scores(matches["raw"][0])[: options.gallery_pages]
        write_gallery(options.gallery, worst, dataset, found.entries, f"{name} on {options.annotations.name}")


def _read_baseline(path: Path) -> list[dict[str, Any]]:
    """COCO results. ValueError for a file that is none."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if all({"image_id", "category_id", "bbox", "score"} <= entry.keys() for entry in entries):
            return entries
    except (ValueError, AttributeError, TypeError):
        pass
    raise ValueError(f"{path} is no list of COCO results: give what --detections wrote")


if __name__ == "__main__":
    sys.exit(main())
