"""One model of several: the mean of the weights of runs that went on from each other, or from one start.

"Model soups", arXiv:2203.05482: often better than each, and as quick as one. Beside detector_conversion.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layoutdeit.detector_file import read_model_file, save_model
from layoutdeit.model_registry import checked_sha256


def average_models(sources: Sequence[str | Path], target: str | Path) -> int:
    """Write the mean of the weights of model files, of equal share; return how many tensors there are.

    Settings and record are those of the last one, and the record names all (`average_of`, their sha256). Whole numbers
    are the last one's. ValueError for files that are none of ours or whose weights do not belong to one network.
    """
    import torch

    if len(sources) < 2:
        raise ValueError(f"an average takes two models or more, got {len(sources)}")
    *others, (config, record, last) = map(read_model_file, sources)
    for source, (_, _, state) in zip(sources, others, strict=False):
        if {name: tensor.shape for name, tensor in state.items()} != {n: tensor.shape for n, tensor in last.items()}:
            raise ValueError(f"{source} and {sources[-1]} are of different networks: their weights have no mean")
    states = [*(state for _, _, state in others), last]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in last.items()
    }
    record = {**record, "average_of": [checked_sha256(Path(source)) for source in sources]}
    save_model(target, mean, config, record)
    return len(mean)
