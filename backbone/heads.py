"""Which of a distilled model's two heads answers: the rows of Table 3 in arXiv:2012.12877. Used by evaluate.py."""

from __future__ import annotations

from torch import Tensor, nn

HEADS = ("class", "distillation", "both")


class OneHead(nn.Module):
    """A distilled DeiT that answers with one of its heads alone. images (B, 3, H, W), normalised -> logits (B, K)."""

    def __init__(self, model: nn.Module, head: str) -> None:
        super().__init__()
        self.model, self.dimensions, self.index = model, model.dimensions, HEADS.index(head)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of that head."""
        return self.model.forward_heads(images)[self.index]


def with_head(model: nn.Module, head: str) -> nn.Module:
    """The model as it answers through `head`, one of HEADS; through both: the mean of their logits, as ever.

    ValueError for an unknown head, or a single one of a model without the distillation token, which has no choice.
    """
    if head not in HEADS:
        raise ValueError(f"unknown head {head!r}: use one of {', '.join(HEADS)}")
    if head == "both":
        return model.eval()
    if not model.dimensions.distilled:
        raise ValueError(f"the model has no distillation token, so only one head: leave out the choice of {head!r}")
    return OneHead(model, head).eval()
