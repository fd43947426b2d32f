"""The names other projects give to the weights of a DeiT, and the official name of each.

Read by conversion.py, which joins and folds the tensors afterwards. Sources of the names: facebookresearch/deit
(models.py, models_v2.py), timm (vision_transformer.py, beit.py), transformers (modeling_deit.py, modeling_vit.py,
modeling_beit.py, as in memory since version 5 and as in files), microsoft/unilm (dit/classification).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Parts that conversion.py joins: q, k, v with attn.qkv; ls1, ls2 (LayerScale) with attn.proj and mlp.fc2.
_BLOCK_PARTS = "norm1 attn.qkv attn.q attn.k attn.v attn.proj norm2 mlp.fc1 mlp.fc2".split()
_OFFICIAL = re.compile(
    r"cls_token|dist_token|pos_embed"
    r"|(?:patch_embed\.proj|norm|head|head_dist)\.(?:weight|bias)"
    rf"|blocks\.\d+\.(?:(?:{'|'.join(map(re.escape, _BLOCK_PARTS))})\.(?:weight|bias)|ls[12]\.gamma)"
)
_WRAPPERS = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile, before every key

# DeiT-III and BEiT call LayerScale gamma_1 and gamma_2; BEiT keeps its biases beside attn.qkv.
_SHORT_NAMES = ((r"\.gamma_([12])$", r".ls\1.gamma"), (r"\.attn\.([qkv])_bias$", r".attn.\1.bias"))
_HUGGING_FACE_TRUNK = r"^(?:deit|vit|beit)\."
_HUGGING_FACE = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.distillation_token$", "dist_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(?:encoder\.layer|layers)\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.(?:attention\.query|q_proj)\.", ".attn.q."),
    (r"\.attention\.(?:attention\.key|k_proj)\.", ".attn.k."),
    (r"\.attention\.(?:attention\.value|v_proj)\.", ".attn.v."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.lambda_([12])$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
    (r"^pooler\.layernorm\.", "fc_norm."),
    (r"^(?:cls_)?classifier\.", "head."),
    (r"^distillation_classifier\.", "head_dist."),
)
# Parts after the blocks, or of pretraining only: without them the blocks give the same.
_NEEDLESS = (
    (r"mask_token", "used in pretraining only"),
    (r"(?:lm_head|decoder|decoder_\w+)(?:\..*)?", "the head of pretraining"),
    (r"pooler\.dense\.\w+", "a DeiT gives the class token to its head as it is"),
)
# Another road from the last block to the head; then the head is of no use to a DeiT either.
_POOLING = re.compile(r"(?:fc_norm|attn_pool|pre_logits)\..*")
_POOLED = "the file's classifier does not read the class token as a DeiT's does, but pools the tokens in another way"
_RELATIVE_POSITIONS = re.compile(r"relative_position|rel_pos_bias|shared_position_bias")


@dataclass(frozen=True)
class OfficialNames:
    """The keys of a file by official name, those not to be taken with the reason, and the format they show.

    key_of may hold, per block, attn.q, attn.k, attn.v and ls1.gamma, ls2.gamma, which no DeiT has.
    """

    format_name: str
    key_of: Mapping[str, str]
    dropped: Mapping[str, str]


def read_names(keys: Iterable[str]) -> OfficialNames:
    """Find the official name of every key. ValueError where one is unknown, or changes what the blocks compute."""
    keys = tuple(keys)
    trunks = {key: _without_wrapper(key) for key in keys}
    is_hugging_face = any("embeddings.patch_embeddings." in name for name in trunks.values())
    if not is_hugging_face and "patch_embed.proj.weight" not in trunks.values():
        raise ValueError(
            "these are no weights of a DeiT in a format known here (official, DeiT-III, timm, Hugging Face, DiT or "
            f"BEiT); first keys: {', '.join(keys[:4]) or 'none'}"
        )
    names = {key: _official(name, is_hugging_face) for key, name in trunks.items()}
    if relative := [key for key in keys if _RELATIVE_POSITIONS.search(key)]:
        raise ValueError(
            f"these weights use relative position bias ({relative[0]}), which a DeiT does not have: "
            "of DiT and BEiT only models with absolute positions alone can be converted"
        )
    dropped = _needless(names)
    key_of: dict[str, str] = {}
    unknown = []
    for key, name in names.items():
        if key in dropped:
            continue
        if not _OFFICIAL.fullmatch(name) or name in key_of:
            unknown.append(key)
        key_of[name] = key
    if unknown:
        more = f" and {len(unknown) - 6} more" if len(unknown) > 6 else ""
        raise ValueError(
            f"no plain DeiT has {', '.join(unknown[:6])}{more}: it would not compute the same without; "
            "remove these keys first if they play no part in the result"
        )
    return OfficialNames(_format_name(key_of, is_hugging_face), key_of, dropped)


def _without_wrapper(key: str) -> str:
    for prefix in _WRAPPERS:
        key = key.removeprefix(prefix)
    return key


def _official(name: str, is_hugging_face: bool) -> str:
    rules = _SHORT_NAMES
    if is_hugging_face:
        name, rules = re.sub(_HUGGING_FACE_TRUNK, "", name), _HUGGING_FACE
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _needless(names: Mapping[str, str]) -> dict[str, str]:
    """The keys that a DeiT does not need, with the reason. names: official name by key."""
    dropped = {
        key: reason for key, name in names.items() for pattern, reason in _NEEDLESS if re.fullmatch(pattern, name)
    }
    if any(_POOLING.fullmatch(name) for name in names.values()):
        pooled = [key for key, name in names.items() if _POOLING.fullmatch(name) or name.startswith("head")]
        dropped |= dict.fromkeys(pooled, _POOLED)
    # BEiT's pretraining model may norm once more before its head, outside the trunk: the trunk's norm is DeiT's.
    norms = [key for key, name in names.items() if name.startswith("norm.")]
    if len(norms) > 2:
        second = [key for key in norms if _without_wrapper(key).startswith("layernorm.")]
        dropped |= dict.fromkeys(second, "a second norm, before the head of pretraining")
    return dropped


def _format_name(key_of: Mapping[str, str], is_hugging_face: bool) -> str:
    """In words. A BEiT has biases for queries and values apart from attn.qkv, and none for keys."""
    has_key_bias = any(name.endswith(".attn.k.bias") for name in key_of)
    is_beit = any(name.endswith(".attn.q.bias") for name in key_of) and not (is_hugging_face and has_key_bias)
    if is_hugging_face:
        return f"Hugging Face {'BEiT' if is_beit else 'DeiT' if 'dist_token' in key_of else 'ViT'}"
    has_layer_scale = any(name.endswith(".ls1.gamma") for name in key_of)
    return "BEiT" if is_beit else "DeiT-III" if has_layer_scale else "DeiT"
