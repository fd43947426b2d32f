"""Weights between files and models: read them safely, load them with a report of every key, write them atomically.

Sits between deit.py, which builds a model, and whoever fills it. Parameter names are the official ones of DeiT
(arXiv:2012.12877), so an official file needs no renaming; conversion.py rewrites other formats.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError  # only to name the error: nothing here unpickles
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backbone.pos_embed import resize_position_grid
from backbone.vit import VisionTransformer, VitDimensions

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")
_HEADS = ("head", "head_dist")
_TORCH_HEADS = (b"PK", b"\x80")  # of a zip archive, and of a bare pickle as PyTorch wrote until 1.6
_WEIGHT_ENTRIES = ("model", "state_dict", "module")  # where official DeiT, timm and DeepSpeed (DiT) keep the weights


@dataclass(frozen=True)
class KeyReport:
    """What became of every key of a checkpoint and of every parameter of the model, by name, with the reason.

    used: taken as they are. resized: taken, changed in shape. dropped: in the checkpoint, not taken.
    missing: in the model, not in the checkpoint, so still at their initial values.
    renamed: taken under the name given. folded: made part of another tensor, or changed by one. remarks: on the whole.
    """

    used: tuple[str, ...]
    resized: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    folded: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line per reason: `dropped: head.weight, head.bias (1000 classes, the model has 10)`."""
        lines = [*self.remarks, f"used: {len(self.used)} keys as they are"]
        if self.renamed:
            pairs = {f"{_any_block(key)} to {_any_block(name)}" for key, name in self.renamed.items()}
            lines.append(f"renamed: {len(self.renamed)} keys: {', '.join(sorted(pairs))}")
        for reason in dict.fromkeys(self.folded.values()):
            names = dict.fromkeys(_any_block(name) for name, why in self.folded.items() if why == reason)
            lines.append(f"folded: {', '.join(names)} ({reason})")
        for title, keys in (("resized", self.resized), ("dropped", self.dropped), ("missing", self.missing)):
            for reason in dict.fromkeys(keys.values()):
                names = [name for name, why in keys.items() if why == reason]
                lines.append(f"{title}: {', '.join(names)} ({reason})")
        return "\n".join(lines)


@dataclass(frozen=True)
class CheckpointFile:
    """The weights of a file, and its other entries by name (optimizer, epoch, args, ...), which no model needs."""

    state_dict: dict[str, Tensor]
    other_entries: Mapping[str, Any] = field(default_factory=dict)


def load_state_dict_file(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file or a PyTorch file, on the CPU, without running code from it.

    The official form {"model": {...}} is unwrapped. FileNotFoundError or ValueError say what to do.
    """
    return _read(Path(path)).state_dict


def load_checkpoint_file(path: str | Path) -> CheckpointFile:
    """As load_state_dict_file, and reads the full training form {"model": ..., "args": argparse.Namespace} as well.

    A Namespace holds plain values and runs no code; it is the only class let through, and only in here.
    """
    with torch.serialization.safe_globals([argparse.Namespace]):
        return _read(Path(path))


def load_torch_file(path: str | Path, *, mmap: bool = False, remedy: str = "fetch or save it again") -> Any:
    """What is in a PyTorch file, on the CPU, without running code from it; mmap: tensors are read when they are used.

    ValueError for a damaged file, with the `remedy`, and for one that holds other objects than tensors.
    """
    try:
        return torch.load(path, mmap=mmap, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # other bytes than a pickle's make the unpickler fail in any way
        with open(path, "rb") as file:
            head = file.read(16)
        reason = f"it begins with {head!r}" if head else "it is empty"
        if head.startswith(_TORCH_HEADS):
            if isinstance(error, UnpicklingError) and "Unsupported operand" not in str(error):
                raise ValueError(
                    f"{path} holds Python objects besides tensors, which are never read because they could run code: "
                    "save only the tensors, torch.save({'model': checkpoint['model']}, path), where you trust the file"
                ) from error
            reason = f"{type(error).__name__} {str(error).partition('. ')[0]}".strip()
        raise ValueError(f"{path} is not a whole PyTorch file ({reason}): {remedy}") from error


def _read(path: Path) -> CheckpointFile:
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: give the path of a .safetensors or {TORCH_SUFFIXES[0]} file")
    if path.suffix == ".safetensors":
        try:
            return CheckpointFile(load_file(path))
        except SafetensorError as error:
            raise ValueError(f"{path} is not a whole safetensors file ({error}): fetch or save it again") from error
    if path.suffix not in TORCH_SUFFIXES:
        raise ValueError(f"cannot tell the format of {path}: use .safetensors or one of {', '.join(TORCH_SUFFIXES)}")
    return _unwrapped(load_torch_file(path), path)


def load_backbone(
    model: VisionTransformer, state_dict: Mapping[str, Tensor], *, grid_hw: tuple[int, int] | None = None
) -> KeyReport:
    """Fill `model` from weights with official names and report every key; `model` is changed only if all is well.

    Heads whose class count differs are dropped, positions are resized to the model's grid, a distillation token is
    dropped or keeps its initial value. Any other difference is a ValueError. grid_hw is the position grid of the
    checkpoint, (rows, columns); needed only where it is not square.
    """
    own = model.state_dict()
    _check_same_body(model.dimensions, state_dict, own)

    taken: dict[str, Tensor] = {}
    resized: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for name, tensor in state_dict.items():
        if reason := _reason_to_drop(name, state_dict, model.dimensions, own):
            dropped[name] = reason
        elif name == "pos_embed":
            taken[name], change = _fit_positions(state_dict, own[name], model.dimensions, grid_hw)
            if change:
                resized[name] = change
        else:
            taken[name] = tensor
    missing = {name: "keeps its initial value" for name in own if name not in taken}
    model.load_state_dict(taken, strict=False)
    return KeyReport(tuple(name for name in taken if name not in resized), resized, dropped, missing)


def save_atomically(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place in one step.

    Killed at any moment, `path` is the old file or the whole new one. The temporary file is removed if `write` fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _unwrapped(content: Any, path: Path) -> CheckpointFile:
    """The tensors by name, whether the file is the state dict itself or keeps it under "model" or the like."""
    weights, others = content, {}
    if isinstance(content, Mapping):
        entry = next((name for name in _WEIGHT_ENTRIES if isinstance(content.get(name), Mapping)), None)
        if entry is not None:
            weights = content[entry]
            others = {str(name): value for name, value in content.items() if name != entry}
    if not isinstance(weights, Mapping):
        raise ValueError(f"expected tensors by name in {path}, got a {type(content).__name__}")
    odd = [str(name) for name, value in weights.items() if not isinstance(value, Tensor)]
    if odd or not weights:
        found = f"entries that are no tensors: {', '.join(odd[:8])}" if odd else "nothing"
        raise ValueError(f"expected tensors by name in {path}, or under its entry 'model'; found {found}")
    return CheckpointFile(dict(weights), others)


def _check_same_body(dims: VitDimensions, state_dict: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """ValueError unless the checkpoint has the model's width, depth, patches and names, heads and tokens aside."""
    optional = {"dist_token", "pos_embed", *(f"{head}.{part}" for head in _HEADS for part in ("weight", "bias"))}
    body = own.keys() - optional
    absent = sorted((body | {"pos_embed"}) - state_dict.keys())
    if len(absent) > len(body) // 2:
        first = ", ".join(list(state_dict)[:4]) or "none"
        raise ValueError(
            f"these are no DeiT weights with official names (blocks.0.attn.qkv.weight, ...); first keys: {first}"
        )
    wrong = [name for name in own if name in body and name in state_dict and own[name].shape != state_dict[name].shape]
    if not absent and not wrong:
        return
    raise ValueError(
        f"the weights are of another model: build one with {_shape_in_words(state_dict)}, "
        f"not embed_dim={dims.embed_dim}, depth={dims.depth}, patch_size={dims.patch_size}"
        + (f"; not in the weights: {_shortened(absent)}" if absent else "")
        + (f"; of another shape: {_shortened([_shapes(name, state_dict, own) for name in wrong])}" if wrong else "")
    )


def _reason_to_drop(
    name: str, state_dict: Mapping[str, Tensor], dims: VitDimensions, own: Mapping[str, Tensor]
) -> str | None:
    head = name.rpartition(".")[0]
    if name == "dist_token" and not dims.distilled:
        return "the model has no distillation token"
    if head in _HEADS and name not in own:
        return "the model has no such head"
    if head in _HEADS and own[name].shape != state_dict[name].shape:
        return f"{len(state_dict[name])} classes, the model has {dims.num_classes}"
    if name.startswith("blocks.") and name not in own:
        return f"the model has only {dims.depth} blocks" if _block_index(name) >= dims.depth else "unknown to the model"
    return None if name in own else "unknown to the model"


def _fit_positions(
    state_dict: Mapping[str, Tensor], own: Tensor, dims: VitDimensions, grid_hw: tuple[int, int] | None
) -> tuple[Tensor, str]:
    """The checkpoint's positions on the model's grid with the model's prefix, and what was changed in words."""
    positions = state_dict["pos_embed"]  # (1, P0 + H0*W0, C)
    num_prefix = 2 if "dist_token" in state_dict else 1
    from_grid_hw = grid_hw or _square_grid(positions.shape[1] - num_prefix, dims.grid_hw)
    positions = resize_position_grid(positions, from_grid_hw, dims.grid_hw, num_prefix_tokens=num_prefix)
    changes = []
    if from_grid_hw != dims.grid_hw:
        changes.append(f"grid {from_grid_hw[0]}x{from_grid_hw[1]} to {dims.grid_hw[0]}x{dims.grid_hw[1]}")
    if num_prefix > dims.num_prefix_tokens:
        positions = torch.cat([positions[:, :1], positions[:, 2:]], dim=1)  # (1, 2 + N, C) -> (1, 1 + N, C)
        changes.append("without the distillation token's position")
    elif num_prefix < dims.num_prefix_tokens:
        token = own[:, 1:2].to(positions)
        positions = torch.cat([positions[:, :1], token, positions[:, 1:]], dim=1)  # (1, 1 + N, C) -> (1, 2 + N, C)
        changes.append("the distillation token's position keeps its initial value")
    return positions, "; ".join(changes)


def _square_grid(num_positions: int, model_grid_hw: tuple[int, int]) -> tuple[int, int]:
    side = math.isqrt(max(num_positions, 0))
    is_square = side * side == num_positions
    fits_model = num_positions == math.prod(model_grid_hw)
    if is_square and (not fits_model or model_grid_hw == (side, side)):
        return side, side
    if fits_model and not is_square:
        return model_grid_hw
    guess = f"{side}x{side} or {model_grid_hw[0]}x{model_grid_hw[1]}" if is_square else "not square"
    raise ValueError(f"the checkpoint's grid of {num_positions} positions is {guess}: say which with grid_hw=(H, W)")


def _shape_in_words(state_dict: Mapping[str, Tensor]) -> str:
    proj = state_dict.get("patch_embed.proj.weight")
    depth = 1 + max((_block_index(name) for name in state_dict if name.startswith("blocks.")), default=-1)
    size = "" if proj is None else f"embed_dim={proj.shape[0]}, "
    patch = "" if proj is None else f", patch_size={proj.shape[-1]}"
    return f"{size}depth={depth}{patch}"


def _block_index(name: str) -> int:
    number = name.split(".")[1]
    return int(number) if number.isdecimal() else -1


def _any_block(name: str) -> str:
    """`blocks.3.attn.qkv.weight` -> `blocks.*.attn.qkv.weight`, so that twelve blocks read as one."""
    return re.sub(r"\.\d+\.", ".*.", name)


def _shapes(name: str, state_dict: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    return f"{name} {tuple(state_dict[name].shape)} for {tuple(own[name].shape)}"


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _sync_directory(directory: Path) -> None:
    """Make the renaming itself survive a power cut, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
