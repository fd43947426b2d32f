"""Position grids keep their meaning when resized, and their prefix tokens untouched."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from timm.layers import resample_abs_pos_embed

from backbone.pos_embed import resize_position_grid


def test_same_grid_is_returned_untouched():
    positions = torch.randn(1, 1 + 14 * 14, 8)
    assert resize_position_grid(positions, (14, 14), (14, 14), num_prefix_tokens=1) is positions


@pytest.mark.parametrize("num_prefix_tokens", [0, 1, 2])
@pytest.mark.parametrize("to_grid_hw", [(24, 24), (7, 19), (50, 38), (1, 1)])
def test_resize_equals_timm_and_keeps_the_prefix(num_prefix_tokens: int, to_grid_hw: tuple[int, int]):
    positions = torch.randn(1, num_prefix_tokens + 14 * 14, 8)
    resized = resize_position_grid(positions, (14, 14), to_grid_hw, num_prefix_tokens=num_prefix_tokens)
    expected = resample_abs_pos_embed(
        positions, list(to_grid_hw), [14, 14], num_prefix_tokens=num_prefix_tokens, antialias=False
    )
    assert resized.shape == (1, num_prefix_tokens + to_grid_hw[0] * to_grid_hw[1], 8)
    assert torch.equal(resized[:, :num_prefix_tokens], positions[:, :num_prefix_tokens])
    torch.testing.assert_close(resized, expected)


def test_height_comes_before_width():
    """A value that grows down the page still grows down, and not across, on a grid of another shape."""
    rows = torch.arange(4.0).repeat_interleave(6).reshape(1, 24, 1)
    resized = resize_position_grid(rows, (4, 6), (8, 3), num_prefix_tokens=0).reshape(8, 3)
    assert (resized.diff(dim=0) > 0).all()
    torch.testing.assert_close(resized[:, 0], resized[:, 2])


@pytest.mark.parametrize(("rule", "extra"), [("size", 0.0), ("scale_factor", 0.1)])
@pytest.mark.parametrize("to_grid_hw", [(24, 24), (16, 22), (50, 38), (14, 13)])
def test_rules_sample_the_grid_where_they_say(to_grid_hw: tuple[int, int], rule: str, extra: float):
    """grid_sample takes the places themselves, and its bicubic is interpolate's."""
    positions = torch.randn(1, 2 + 14 * 14, 8)
    resized = resize_position_grid(positions, (14, 14), to_grid_hw, num_prefix_tokens=2, rule=rule)
    # places in -1..1 from edge to edge
    rows, columns = (2 * (torch.arange(side) + 0.5) / (side + extra) - 1 for side in to_grid_hw)
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]  # (1, H, W, 2), x first
    grid = positions[:, 2:].reshape(1, 14, 14, 8).permute(0, 3, 1, 2)
    expected = F.grid_sample(grid, places, mode="bicubic", padding_mode="border", align_corners=False)
    assert torch.equal(resized[:, :2], positions[:, :2])
    torch.testing.assert_close(resized[:, 2:], expected.flatten(2).transpose(1, 2), atol=1e-4, rtol=0)


def test_rules_agree_where_nothing_is_resized_and_unknown_ones_are_told():
    positions = torch.randn(1, 1 + 14 * 14, 8)
    kept = resize_position_grid(positions, (14, 14), (14, 14), num_prefix_tokens=1, rule="scale_factor")
    assert kept is positions
    with pytest.raises(ValueError, match="unknown rule to resize positions 'nearest': use one of size, scale_factor"):
        resize_position_grid(positions, (14, 14), (14, 14), num_prefix_tokens=1, rule="nearest")


def test_half_precision_keeps_its_type():
    positions = torch.randn(1, 5, 8, dtype=torch.bfloat16)
    assert resize_position_grid(positions, (2, 2), (3, 5), num_prefix_tokens=1).dtype is torch.bfloat16


def test_gradients_reach_the_positions():
    positions = torch.randn(1, 5, 8, requires_grad=True)
    resize_position_grid(positions, (2, 2), (4, 3), num_prefix_tokens=1).sum().backward()
    assert (positions.grad != 0).all()


@pytest.mark.parametrize("shape", [(1, 16, 8), (2, 17, 8), (17, 8)])
def test_wrong_number_of_positions_is_an_error(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"expected positions of shape \(1, 17, C\).*got"):
        resize_position_grid(torch.zeros(shape), (4, 4), (5, 5), num_prefix_tokens=1)
