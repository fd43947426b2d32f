"""What a model costs, computed from its dimensions: multiply-adds and parameters. Printed by benchmark.py.

Literature counts a multiply-add as one FLOP (DeiT-Ti at 224 px: "1.25 GFLOPs"); utilisation of a machine counts two.
"""

from __future__ import annotations

import torch

from backbone.vit import VisionTransformer, VitDimensions

FLOP_PER_MULTIPLY_ADD = 2
FORWARDS_PER_TRAINING_IMAGE = 3  # the backward pass costs two more


def multiply_adds(dims: VitDimensions) -> int:
    """Multiply-adds of one image forward: convolution, linear layers and both products of attention, heads included.

    Norms, softmax, GELU and additions are not counted, as in the literature.
    """
    patches = dims.grid_hw[0] * dims.grid_hw[1]
    tokens, width = patches + dims.num_prefix_tokens, dims.embed_dim
    embedding = patches * 3 * dims.patch_size**2 * width
    linear = tokens * width * (4 * width + 2 * int(width * dims.mlp_ratio))  # qkv 3, proj 1, fc1 and fc2
    attention = 2 * tokens**2 * width  # q k^T, and weights times v
    return embedding + dims.depth * (linear + attention) + dims.num_prefix_tokens * width * dims.num_classes


def num_parameters(dims: VitDimensions) -> int:
    """Parameters of the model, heads included; nothing is allocated."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in VisionTransformer(dims).parameters())
