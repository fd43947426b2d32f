import pytest
import torch

from backbone.heads import HEADS, with_head
from backbone.vit import VisionTransformer, VitDimensions

SMALL = {"image_size_hw": (32, 48), "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 3}


def test_each_head_answers_alone_and_both_with_the_mean():
    torch.manual_seed(0)
    model = VisionTransformer(VitDimensions(**SMALL, distilled=True), drop_path=0.5)
    images = torch.randn(2, 3, 32, 48)
    class_logits, token_logits, both = (with_head(model.train(), head)(images) for head in HEADS)
    tokens = model.forward_features(images)
    torch.testing.assert_close(class_logits, model.head(tokens[:, 0]))
    torch.testing.assert_close(token_logits, model.head_dist(tokens[:, 1]))
    torch.testing.assert_close(both, (class_logits + token_logits) / 2)
    assert not torch.allclose(class_logits, token_logits, atol=1e-3)
    assert with_head(model, "class").dimensions is model.dimensions


def test_a_model_without_the_token_has_no_choice():
    model = VisionTransformer(VitDimensions(**SMALL))
    assert with_head(model, "both") is model
    for head in ("class", "distillation"):
        with pytest.raises(ValueError, match=f"no distillation token, so only one head: .*'{head}'"):
            with_head(model, head)
    with pytest.raises(ValueError, match="unknown head 'dist': use one of class, distillation, both"):
        with_head(model, "dist")
