"""Evaluate a detector: `python -m layoutdeit.evaluate [NAME|FILE] --annotations val.json --images DIR`.

Prints COCO AP of boxes and masks, per class and overall, and writes metrics.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, evaluate, and return the exit status: 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m layoutdeit.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="registry name or model file; none: the shipped model")
    parser.add_argument("--annotations", required=True, type=Path, help="COCO file with PubLayNet's categories")
    parser.add_argument("--images", required=True, type=Path, help="folder of the pictures it names")
    parser.add_argument("--output", type=Path, default=Path("metrics.json"), help="where to write the numbers")
    parser.add_argument("--engine", default="torchvision", help="engine that runs the model")
    parser.add_argument("--no-masks", action="store_true", help="boxes only: quicker")
    options = parser.parse_args(arguments)

    from layoutdeit.coco_eval import evaluate_detections, format_metrics, write_metrics
    from layoutdeit.loop import collect_results
    from layoutdeit.publaynet import PageDataset, read_annotations
    from layoutdeit.weights import load_model

    def show(done: int, total: int) -> None:
        if done == total or done % 50 == 0:
            print(f"{done}/{total} pages", file=sys.stderr)

    try:
        loaded = load_model(options.model, engine=options.engine)
        dataset = PageDataset(read_annotations(options.annotations), options.images, None)
        with_masks = loaded.config.heads.mask_layers > 0 and not options.no_masks
        started = time.perf_counter()
        results = collect_results(loaded.detector, dataset, masks=with_masks, on_page=show)
        seconds = time.perf_counter() - started
        boxes = evaluate_detections(options.annotations, results)
        masks = evaluate_detections(options.annotations, results, iou_type="segm") if with_masks else None
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_metrics(options.output, boxes, masks)
    print(f"{loaded.info.name} ({options.engine}) on {len(dataset)} pages, {seconds / max(1, len(dataset)):.2f} s/page")
    print(format_metrics(boxes, masks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
