"""The vision transformer of DeiT: patch embedding, attention, block, and the model with one or two heads.

Pure modules: they know no files and no named sizes (deit.py does). Parameter names are the official ones
(facebookresearch/deit, timm), so official weights load strictly. Architecture: arXiv:2010.11929, sec. 3.1;
distillation token and its head: arXiv:2012.12877, sec. 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from backbone.batch_draws import BatchStochasticDepth
from backbone.pos_embed import check_resize_rule, resize_position_grid

ROWS_IN_CACHE = 256  # queries multiplied at once on a CPU
KEPT_WEIGHTS_BYTES = 64 << 20  # of one block, kept for the backward pass on a CPU


@dataclass(frozen=True)
class VitDimensions:
    """All that is needed to rebuild a model; stored in its file.

    image_size_hw is the size in pixels that the position grid belongs to; other sizes are accepted at run time.
    num_classes 0 builds no head. distilled adds the distillation token and, with classes, a second head.
    position_resize is the rule of pos_embed.py that such sizes follow.
    """

    image_size_hw: tuple[int, int] = (224, 224)
    patch_size: int = 16
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_ratio: float = 4.0
    distilled: bool = False
    num_classes: int = 1000
    norm_eps: float = 1e-6
    position_resize: str = "size"

    def __post_init__(self) -> None:
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not a multiple of num_heads {self.num_heads}")
        if any(side <= 0 or side % self.patch_size for side in self.image_size_hw):
            raise ValueError(f"image size {self.image_size_hw} is not a multiple of the patch size {self.patch_size}")
        check_resize_rule(self.position_resize)

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Patches down and across at the model's own image size."""
        return self.image_size_hw[0] // self.patch_size, self.image_size_hw[1] // self.patch_size

    @property
    def num_prefix_tokens(self) -> int:
        """Tokens before the patches: class, and distillation where there is one."""
        return 2 if self.distilled else 1


class PatchEmbed(nn.Module):
    """Cut an image into patches and project each. (B, 3, H, W) -> (B, C, H/p, W/p)."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """ValueError where a side is not a multiple of the patch size."""
        h, w = images.shape[-2:]
        if h % self.patch_size or w % self.patch_size:
            raise ValueError(f"image sides must be multiples of {self.patch_size}, got {h}x{w}: pad the image first")
        return self.proj(images)


class Attention(nn.Module):
    """Multi-head self-attention. (B, N, C) -> (B, N, C)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend; scaled by 1/sqrt(head width) inside scaled_dot_product_attention."""
        out = _attend(*self._queries_keys_values(tokens))
        return self.proj(out.transpose(1, 2).flatten(2))  # (B, h, N, d) -> (B, N, C)

    def weights(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """How much the tokens `rows` (R,) attend to every token: (B, h, R, N), each row summing to 1."""
        q, k, _ = self._queries_keys_values(tokens)
        return (q[:, :, rows] * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)

    def _queries_keys_values(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        b, n, c = tokens.shape
        qkv = self.qkv(tokens).reshape(b, n, 3, self.num_heads, c // self.num_heads)  # (B, N, 3*C) -> (B, N, 3, h, d)
        return qkv.permute(2, 0, 3, 1, 4).unbind(0)  # 3 x (B, h, N, d)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention. 3 x (B, h, N, d) -> (B, h, N, d)."""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:  # torch's fused kernel gains nothing from it, products do
        if not q.requires_grad:
            return _attend_in_parts(q, k, v)
        if q.shape[:-1].numel() * k.shape[-2] * q.itemsize <= KEPT_WEIGHTS_BYTES:
            return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


def _attend_in_parts(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same, with the weights of ROWS_IN_CACHE queries at a time."""
    keys, v = k.transpose(-2, -1).contiguous(), v.contiguous()  # read once for every part: a third quicker in line
    q = (q * q.shape[-1] ** -0.5).contiguous()
    rows = [
        (part @ keys).softmax(dim=-1) @ v  # (B, h, n, N) @ (B, h, N, d)
        for part in q.split(ROWS_IN_CACHE, dim=-2)
    ]
    return torch.cat(rows, dim=-2)


class Mlp(nn.Module):
    """Two linear layers with a GELU between. (B, N, C) -> (B, N, C)."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Exact (erf) GELU, as the official weights expect."""
        return self.fc2(F.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """Pre-norm transformer block with stochastic depth per sample. (B, N, C) -> (B, N, C)."""

    def __init__(self, dim: int, num_heads: int, *, mlp_ratio: float, drop_path: float, norm_eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = BatchStochasticDepth(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attention, then the MLP, each around a residual."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class VisionTransformer(nn.Module):
    """DeiT. drop_path is the rate of the last block, growing linearly from 0 at the first.

    activation_checkpointing recomputes each block in the backward pass: less memory, about a third more time.
    """

    def __init__(
        self, dimensions: VitDimensions, *, drop_path: float = 0.0, activation_checkpointing: bool = False
    ) -> None:
        super().__init__()
        dims = self.dimensions = dimensions
        self.activation_checkpointing = activation_checkpointing
        self.patch_embed = PatchEmbed(dims.patch_size, dims.embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims.embed_dim))
        if dims.distilled:
            self.dist_token = nn.Parameter(torch.zeros(1, 1, dims.embed_dim))
        num_positions = dims.num_prefix_tokens + dims.grid_hw[0] * dims.grid_hw[1]
        self.pos_embed = nn.Parameter(torch.zeros(1, num_positions, dims.embed_dim))
        self.blocks = nn.ModuleList(
            Block(
                dims.embed_dim,
                dims.num_heads,
                mlp_ratio=dims.mlp_ratio,
                drop_path=drop_path * index / max(dims.depth - 1, 1),
                norm_eps=dims.norm_eps,
            )
            for index in range(dims.depth)
        )
        self.norm = nn.LayerNorm(dims.embed_dim, eps=dims.norm_eps)
        if dims.num_classes > 0:
            self.head = nn.Linear(dims.embed_dim, dims.num_classes)
            if dims.distilled:
                self.head_dist = nn.Linear(dims.embed_dim, dims.num_classes)
        self._init_weights()

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Classify. images (B, 3, H, W), normalised -> logits (B, K).

        With a distillation token: the pair (class logits, distillation logits) in training, their average otherwise, as
        the released code has it; arXiv:2012.12877, sec. 4, adds the two softmax outputs instead.
        """
        logits = self.forward_heads(images)
        if len(logits) == 1:
            return logits[0]
        return logits if self.training else (logits[0] + logits[1]) / 2

    def forward_heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Each head's logits (B, K): the class token's, then the distillation token's where there is one.

        ValueError for a model without a head.
        """
        if self.dimensions.num_classes == 0:
            raise ValueError("this model was built without a head (num_classes=0): use forward_features")
        tokens = self.forward_features(images)
        logits = self.head(tokens[:, 0])
        return (logits, self.head_dist(tokens[:, 1])) if self.dimensions.distilled else (logits,)

    def forward_features(self, images: Tensor) -> Tensor:
        """All tokens after the last norm. (B, 3, H, W) -> (B, P + H/p * W/p, C), P prefix tokens first."""
        tokens, _ = self._embed(images)
        for block in self.blocks:
            tokens = self._run(block, tokens)
        return self.norm(tokens)

    def intermediate_features(self, images: Tensor, block_indices: Sequence[int]) -> list[Tensor]:
        """Patch tokens after the given blocks (from 0), as maps, without the last norm. -> each (B, C, H/p, W/p).

        ValueError where there is no such block.
        """
        if wrong := [index for index in block_indices if not 0 <= index < len(self.blocks)]:
            raise ValueError(f"no blocks {wrong}: the model has blocks 0 to {len(self.blocks) - 1}")
        tokens, grid_hw = self._embed(images)
        maps = {}
        for index, block in enumerate(self.blocks[: max(block_indices) + 1]):
            tokens = self._run(block, tokens)
            if index in block_indices:
                patches = tokens[:, self.dimensions.num_prefix_tokens :]
                maps[index] = patches.transpose(1, 2).unflatten(2, grid_hw)  # (B, N, C) -> (B, C, H/p, W/p)
        return [maps[index] for index in block_indices]

    def attention_weights(self, images: Tensor, block_index: int, rows: Tensor) -> Tensor:
        """What tokens attend to in a block (from 0), per head. images (B, 3, H, W), rows (R,) -> (B, h, R, N).

        Tokens are counted as forward_features returns them, prefix tokens first. ValueError where there is no such
        block.
        """
        if not 0 <= block_index < len(self.blocks):
            raise ValueError(f"no block {block_index}: the model has blocks 0 to {len(self.blocks) - 1}")
        tokens, _ = self._embed(images)
        for block in self.blocks[:block_index]:
            tokens = self._run(block, tokens)
        block = self.blocks[block_index]
        return block.attn.weights(block.norm1(tokens), rows)

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        patches = self.patch_embed(images)  # (B, C, H/p, W/p)
        grid_hw = (patches.shape[-2], patches.shape[-1])
        tokens = patches.flatten(2).transpose(1, 2)  # (B, C, H/p, W/p) -> (B, N, C)
        prefix = [self.cls_token, self.dist_token] if self.dimensions.distilled else [self.cls_token]
        prefix = [token.to(tokens.dtype).expand(tokens.shape[0], -1, -1) for token in prefix]
        positions = resize_position_grid(
            self.pos_embed,
            self.dimensions.grid_hw,
            grid_hw,
            num_prefix_tokens=self.dimensions.num_prefix_tokens,
            rule=self.dimensions.position_resize,
        )
        return torch.cat([*prefix, tokens], dim=1) + positions, grid_hw

    def _run(self, block: Block, tokens: Tensor) -> Tensor:
        if self.activation_checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(block, tokens, use_reentrant=False)
        return block(tokens)

    def _init_weights(self) -> None:
        """As the official code: normal, std .02, cut at ±2; biases 0 (the patch projection keeps PyTorch's own)."""
        for name, parameter in self.named_parameters():
            if name in ("cls_token", "dist_token", "pos_embed"):
                nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
