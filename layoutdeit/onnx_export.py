"""A detector as an ONNX file, for runtimes without PyTorch: `python -m layoutdeit.weights export IN OUT.onnx`.

The file holds the network from pixels to boxes at one input size; resizing, masks and fitting to the ink stay outside.
It is compared with the model it came from, on a drawn page and a blank one, before it is left behind.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from backbone.checkpoint import save_atomically
from layoutdeit.labels import LABEL_NAMES
from layoutdeit.pyramid import SIZE_DIVISOR

if TYPE_CHECKING:
    from layoutdeit.engines.torchvision_engine import TorchvisionDetector

OPSET = 17
PORTRAIT = 2**0.5  # height over width of an A4 page, the longer of the usual two
BOX_TOLERANCE_PX, SCORE_TOLERANCE = 0.05, 1e-4
INSTALLATION = "exporting needs onnx and onnxruntime: pip install -e '.[onnx]' in the project's folder"


class SizeError(ValueError):
    """A page size that a model cannot be exported for."""


@dataclass(frozen=True)
class ExportedModel:
    """Input height and width, and the largest differences to PyTorch over the pages compared."""

    size_hw: tuple[int, int]
    box_px: float
    score: float


class PageNetwork(nn.Module):
    """A detector on pages of one size: page (1, 3, H, W), RGB in [0, 1] -> boxes (N, 4), labels (N,), scores (N,)."""

    def __init__(self, detector: TorchvisionDetector) -> None:
        super().__init__()
        self.detector = detector
        for name in ("mean", "std"):
            values = torch.tensor(getattr(detector.config.input, name)).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, page: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes are xyxy pixels of the page given, labels 1..5, best first."""
        size_hw = (page.shape[-2], page.shape[-1])
        _, (found,) = self.detector.find((page - self.mean) / self.std, [size_hw])
        return found.boxes, found.labels, found.scores


def export_onnx(
    detector: TorchvisionDetector, path: str | Path, size_hw: tuple[int, int] | None = None, *, sha256: str = ""
) -> ExportedModel:
    """Write a detector as ONNX, for pages of size_hw in pixels; None: its short side, A4 portrait.

    sha256, of the model file it came from, is written into the file.

    ImportError without onnx; SizeError for a size that the network cannot take, ValueError for another kind of name or
    where the file's answers differ.
    """
    if Path(path).suffix != ".onnx":
        raise ValueError(f"cannot write {path}: the name of an ONNX file ends in .onnx")
    try:
        import onnx
        import onnxruntime  # noqa: F401 (needed to compare)
    except ImportError as error:
        raise ImportError(INSTALLATION) from error
    settings = detector.config.input
    short_side = settings.short_side
    size_hw = size_hw or (_round_up(round(short_side * PORTRAIT)), _round_up(short_side))
    if any(side < SIZE_DIVISOR or side % SIZE_DIVISOR for side in size_hw):
        raise SizeError(f"the sides of an exported model are multiples of {SIZE_DIVISOR} px, got {size_hw}")
    network = PageNetwork(detector).eval().requires_grad_(False)
    pages = _pages(size_hw)
    metadata = {
        "labels": json.dumps(LABEL_NAMES),
        "padding": json.dumps(settings.mean),  # what fills the page where the picture is smaller
        "sha256": sha256,
    }
    differences: list[tuple[float, float]] = []

    def write(temporary: Path) -> None:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # sizes become constants: that is meant
            torch.onnx.export(
                network,
                (pages[0],),
                str(temporary),
                dynamo=False,  # the newer exporter refuses loops over what was found
                opset_version=OPSET,
                input_names=["page"],
                output_names=["boxes", "labels", "scores"],
                dynamic_axes={name: {0: "found"} for name in ("boxes", "labels", "scores")},
            )
        written = onnx.load(str(temporary))
        onnx.helper.set_model_props(written, metadata)
        onnx.save(written, str(temporary))
        differences.extend(_differences(network, temporary, pages))

    save_atomically(path, write)
    return ExportedModel(size_hw, *(max(column) for column in zip(*differences, strict=True)))


def _differences(network: PageNetwork, path: Path, pages: list[Tensor]) -> list[tuple[float, float]]:
    """Largest difference of boxes and of scores on each page; ValueError where they mean another answer."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = []
    for page in pages:
        with torch.no_grad():
            boxes, labels, scores = network(page)
        try:
            others = [torch.from_numpy(part) for part in session.run(None, {"page": page.numpy()})]
        except Exception as error:  # onnxruntime's errors have no class in common
            raise ValueError(f"onnxruntime cannot run the exported model: {str(error).splitlines()[0]}") from error
        same_labels = torch.equal(labels, others[1])
        if not same_labels:
            raise ValueError(
                f"the exported model finds {len(others[1])} regions where the original finds {len(labels)}"
            )
        box, score = (
            float((one - other).abs().max()) if len(one) else 0.0
            for one, other in ((boxes, others[0]), (scores, others[2]))
        )
        if box > BOX_TOLERANCE_PX or score > SCORE_TOLERANCE:
            raise ValueError(f"the exported model's answers are off by {box:.2g} px and a score of {score:.2g}")
        found.append((box, score))
    return found


def _pages(size_hw: tuple[int, int]) -> list[Tensor]:
    """What a model is compared on: a drawn page and a blank one, (1, 3, H, W) each."""
    return [_drawn_page(size_hw), torch.ones(1, 3, *size_hw)]


def _drawn_page(size_hw: tuple[int, int]) -> Tensor:
    """A heading and paragraphs of grey lines, (1, 3, H, W): enough to be found."""
    height, width = size_hw
    page = torch.ones(1, 3, height, width)
    page[:, :, height // 12 : height // 9, width // 4 : 3 * width // 4] = 0.1
    for top in range(height // 6, 5 * height // 6, 8):
        if top % 80 < 64:
            page[:, :, top : top + 4, width // 8 : 7 * width // 8] = 0.3
    return page


def _round_up(side: int) -> int:
    return -(-side // SIZE_DIVISOR) * SIZE_DIVISOR
