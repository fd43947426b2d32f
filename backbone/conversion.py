"""Weights of other DeiT formats rewritten as weights of the plain DeiT of vit.py, with a word on every key.

Sits between checkpoint.py, which reads files and fills models, and published.py, which knows where files are. Exact:
q, k and v are joined; LayerScale is multiplied into the projection it follows, for gamma * (Wx + b) is
(gamma W)x + gamma b; missing biases and positions are the zeros they stand for. The exactness reaches the logits, but
for classifiers that pool in another way (BEiT, DiT): there it ends with the last block.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from backbone.checkpoint import KeyReport, load_backbone
from backbone.key_names import OfficialNames, read_names
from backbone.vit import VisionTransformer, VitDimensions

# Heads do not show in the tensors. Published widths: arXiv:2012.12877, table 1; arXiv:2204.07118, table 1 (with 512
# and 1280 as in timm/models/deit.py); arXiv:2106.08254 and arXiv:2203.02378 use 768 and 1024.
HEADS_OF_WIDTH = {192: 3, 384: 6, 512: 8, 768: 12, 1024: 16, 1280: 16}
NORM_EPS = 1e-6  # of DeiT, DeiT-III, BEiT and timm
HUGGING_FACE_NORM_EPS = 1e-12  # layer_norm_eps of DeiTConfig, ViTConfig and BeitConfig
_HEAD_OF_ZEROS = "head_dist.weight"  # made for a file with one head for two tokens


class UnknownGridError(ValueError):
    """A number of positions that is no square, so that rows and columns must be told."""


@dataclass(frozen=True)
class Converted:
    """Weights with official names for a model of `dimensions`, and what became of every key of the file.

    sources: the keys of the file that each of the weights was made of; none where it stands for what a file lacks.
    """

    state_dict: dict[str, Tensor]
    format_name: str
    dimensions: VitDimensions
    report: KeyReport
    sources: Mapping[str, tuple[str, ...]]


@contextmanager
def telling_odd_shapes() -> Iterator[None]:
    """What tensors that do not fit each other raise as they are rewritten, as a ValueError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (IndexError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"the shapes of the weights do not fit each other ({reason}): is the file whole?") from error


@telling_odd_shapes()
def convert_state_dict(
    state_dict: Mapping[str, Tensor],
    *,
    num_heads: int | None = None,
    norm_eps: float | None = None,
    image_size_hw: tuple[int, int] | None = None,
) -> Converted:
    """Recognise a format by its keys and rewrite its weights. ValueError where no plain DeiT computes the same.

    What the tensors do not tell: num_heads, needed where the width is not a published one; norm_eps, the format's own
    unless given; image_size_hw, needed where the position grid is not square.
    """
    names = read_names(state_dict)
    work = _Work({name: state_dict[key].detach() for name, key in names.key_of.items()}, names)
    distilled = "dist_token" in work.tensors
    dims = _body_dimensions(work, num_heads)
    work.join_query_key_value(dims["depth"])
    work.fold_layer_scale(dims["depth"])
    grid_hw = work.complete_positions(2 if distilled else 1, dims["patch_size"], image_size_hw)
    work.complete_norm()
    if distilled:
        work.complete_heads()
    eps = HUGGING_FACE_NORM_EPS if names.format_name.startswith("Hugging Face") else NORM_EPS
    dimensions = VitDimensions(
        **dims,
        image_size_hw=(grid_hw[0] * dims["patch_size"], grid_hw[1] * dims["patch_size"]),
        distilled=distilled,
        num_classes=len(work.tensors["head.weight"]) if "head.weight" in work.tensors else 0,
        norm_eps=eps if norm_eps is None else norm_eps,
    )
    return Converted(work.tensors, names.format_name, dimensions, work.report(), work.sources)


def load_converted(model: VisionTransformer, converted: Converted) -> KeyReport:
    """Fill a model and report on every key of the file, not of the conversion. Fits and errors as load_backbone's.

    A number of heads that differs is a ValueError: no shape would show it. An eps that differs is remarked.
    """
    own, theirs, report = model.dimensions, converted.dimensions, converted.report
    if own.num_heads != theirs.num_heads and own.embed_dim == theirs.embed_dim:
        raise ValueError(f"the weights have {theirs.num_heads} attention heads, the model has {own.num_heads}")
    weights, folded = converted.state_dict, dict(report.folded)
    if _HEAD_OF_ZEROS in report.missing and not own.distilled:  # then no mean is taken
        weights = {**weights, "head.weight": weights["head.weight"] / 2, "head.bias": weights["head.bias"] / 2}
        folded |= {key: "as head" for part in ("weight", "bias") for key in converted.sources[f"head.{part}"]}
    loaded = load_backbone(model, weights, grid_hw=theirs.grid_hw)

    dropped = {key: why for name, why in loaded.dropped.items() for key in converted.sources[name]}
    resized = dict(report.resized)
    for name, why in loaded.resized.items():
        for key in converted.sources[name]:
            resized[key] = f"{resized[key]}; {why}" if key in resized else why
    made = {name: why for name, why in report.missing.items() if name in weights and name not in loaded.dropped}
    remarks = report.remarks
    if own.norm_eps != theirs.norm_eps:
        remarks += (f"layer norm: eps {theirs.norm_eps:g} where the weights come from, {own.norm_eps:g} in the model",)
    return KeyReport(
        used=tuple(key for key in report.used if key not in {*dropped, *resized}),
        resized={key: why for key, why in resized.items() if key not in dropped},
        dropped={**report.dropped, **dropped},
        missing={**made, **loaded.missing},
        renamed={key: name for key, name in report.renamed.items() if key not in {*dropped, *resized}},
        folded={key: why for key, why in folded.items() if key not in {*dropped, *resized}},
        remarks=remarks,
    )


@dataclass
class _Work:
    """Tensors by official name while they are rewritten, and what became of the keys they came from."""

    tensors: dict[str, Tensor]
    names: OfficialNames
    folded: dict[str, str] = field(default_factory=dict)
    resized: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sources = {name: (key,) for name, key in self.names.key_of.items()}

    def join_query_key_value(self, depth: int) -> None:
        """Put attn.q, attn.k and attn.v, weights or biases or both, into attn.qkv; an absent bias is zeros."""
        for index in range(depth):
            attn = f"blocks.{index}.attn"
            if f"{attn}.q.weight" in self.tensors:
                parts = [self._pop(f"{attn}.{part}.weight") for part in "qkv"]
                self._join(f"{attn}.qkv.weight", parts, "joined into attn.qkv")
            weight = self._get(f"{attn}.qkv.weight")  # (3*C, C)
            biases = [f"{attn}.{part}.bias" for part in "qkv"]
            if any(name in self.tensors for name in biases):
                zeros = weight.new_zeros(len(weight) // 3)
                lacking = [name.split(".")[-2] for name in biases if name not in self.tensors]
                parts = [self._pop(name) if name in self.tensors else (zeros, ()) for name in biases]
                what = f"joined into attn.qkv, zeros for {' and '.join(lacking)}" if lacking else "joined into attn.qkv"
                self._join(f"{attn}.qkv.bias", parts, what)
            elif f"{attn}.qkv.bias" not in self.tensors:
                self._make(f"{attn}.qkv.bias", weight.new_zeros(len(weight)), "zeros: the file has no such biases")

    def fold_layer_scale(self, depth: int) -> None:
        """Multiply ls1 into attn.proj and ls2 into mlp.fc2, in double precision."""
        for index in range(depth):
            for scale, target in (("ls1", "attn.proj"), ("ls2", "mlp.fc2")):
                if f"blocks.{index}.{scale}.gamma" not in self.tensors:
                    continue
                gamma, gamma_keys = self._pop(f"blocks.{index}.{scale}.gamma")  # (C,)
                self.folded |= dict.fromkeys(gamma_keys, f"LayerScale, multiplied into {target}")
                for part in ("weight", "bias"):
                    name = f"blocks.{index}.{target}.{part}"
                    tensor = self._get(name)  # (C, C') or (C,)
                    factor = gamma.double().unsqueeze(1) if part == "weight" else gamma.double()
                    self.tensors[name] = (factor * tensor.double()).float()
                    self.folded |= dict.fromkeys(self.sources[name], f"as {target}, multiplied by LayerScale")
                    self.sources[name] += gamma_keys

    def complete_positions(
        self, num_prefix: int, patch_size: int, image_size_hw: tuple[int, int] | None
    ) -> tuple[int, int]:
        """Give patch positions without prefix (DeiT-III) zeros for it; return the grid, (rows, columns).

        DeiT-III adds positions to the patches before the class token joins them, so its class position is zero.
        Only its format is guessed to be so: 4x6 patches and a class token are 25 positions, but no grid of 5x5.
        """
        positions = self._get("pos_embed")  # (1, P + H*W, C) or (1, H*W, C)
        num_positions = positions.shape[1]
        grid_hw = image_size_hw and (image_size_hw[0] // patch_size, image_size_hw[1] // patch_size)
        may_lack_prefix = grid_hw or self.names.format_name == "DeiT-III"
        for num_given in (num_prefix, 0) if may_lack_prefix else (num_prefix,):
            num_patches = num_positions - num_given
            side = math.isqrt(max(num_patches, 0))
            fits = num_patches == math.prod(grid_hw) if grid_hw else num_patches > 0 and side * side == num_patches
            if not fits:
                continue
            if not num_given:
                zeros = positions.new_zeros(1, num_prefix, positions.shape[2])
                self.tensors["pos_embed"] = torch.cat([zeros, positions], dim=1)  # (1, H*W, C) -> (1, P + H*W, C)
                what = "positions of patches only: zeros put before them for the class token"
                self.resized |= dict.fromkeys(self.sources["pos_embed"], what)
            return grid_hw or (side, side)
        if grid_hw:
            raise ValueError(f"{num_positions} positions do not fit a grid {grid_hw[0]}x{grid_hw[1]} ({image_size_hw})")
        raise UnknownGridError(f"{num_positions} positions are no square grid: give image_size_hw=(H, W), in pixels")

    def complete_norm(self) -> None:
        """A file that norms after pooling has no last norm: one that changes no scale stands for it."""
        width = self._get("cls_token").shape[-1]
        for name, value in (("norm.weight", 1.0), ("norm.bias", 0.0)):
            if name not in self.tensors:
                self._make(name, torch.full((width,), value), f"{value:g}: the file has no norm after the last block")

    def complete_heads(self) -> None:
        """Give a model with two tokens and one head (Hugging Face's plain classifier) a second head, of zeros.

        Both are averaged, so the head that is there is doubled: the logits are the file's.
        """
        if "head.weight" not in self.tensors or _HEAD_OF_ZEROS in self.tensors:
            return
        for part in ("weight", "bias"):
            tensor = self._get(f"head.{part}")
            self._make(f"head_dist.{part}", torch.zeros_like(tensor), "zeros: the file has one head for two tokens")
            self.tensors[f"head.{part}"] = 2 * tensor
            what = "as head, doubled, for the mean with a head of zeros is taken"
            self.folded |= dict.fromkeys(self.sources[f"head.{part}"], what)

    def report(self) -> KeyReport:
        """Every key once; what was neither folded nor resized is used under its own or another name."""
        plain = {key: name for name, key in self.names.key_of.items() if key not in {*self.folded, *self.resized}}
        return KeyReport(
            used=tuple(key for key, name in plain.items() if key == name),
            resized=self.resized,
            dropped=self.names.dropped,
            missing=self.missing,
            renamed={key: name for key, name in plain.items() if key != name},
            folded=self.folded,
            remarks=(f"format: {self.names.format_name}",),
        )

    def _get(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise ValueError(f"the weights are not whole: {name} of a {self.names.format_name} is missing")
        return self.tensors[name]

    def _pop(self, name: str) -> tuple[Tensor, tuple[str, ...]]:
        tensor = self._get(name)
        del self.tensors[name]
        return tensor, self.sources.pop(name)

    def _join(self, name: str, parts: list[tuple[Tensor, tuple[str, ...]]], what: str) -> None:
        self.tensors[name] = torch.cat([tensor for tensor, _ in parts])
        self.sources[name] = tuple(key for _, keys in parts for key in keys)
        self.folded |= dict.fromkeys(self.sources[name], what)

    def _make(self, name: str, tensor: Tensor, what: str) -> None:
        self.tensors[name], self.sources[name], self.missing[name] = tensor, (), what


def _body_dimensions(work: _Work, num_heads: int | None) -> dict[str, int | float]:
    """The fields of VitDimensions that blocks and patches tell."""
    patches = work.tensors["patch_embed.proj.weight"]
    if patches.ndim != 4 or patches.shape[1] != 3 or patches.shape[2] != patches.shape[3]:
        raise ValueError(f"expected a patch projection of shape (C, 3, p, p), got {tuple(patches.shape)}")
    width, hidden = len(patches), len(work._get("blocks.0.mlp.fc1.weight"))
    num_heads = num_heads or HEADS_OF_WIDTH.get(width)
    if num_heads is None:
        raise ValueError(f"the weights do not tell how many heads a width of {width} has: give num_heads")
    mlp_ratio = hidden / width
    while int(width * mlp_ratio) < hidden:  # rounded down below the width it came from
        mlp_ratio = math.nextafter(mlp_ratio, math.inf)
    indices = [int(name.split(".")[1]) for name in work.tensors if name.startswith("blocks.")]
    return {
        "patch_size": patches.shape[-1],
        "embed_dim": width,
        "depth": 1 + max(indices),
        "num_heads": num_heads,
        "mlp_ratio": mlp_ratio,
    }
