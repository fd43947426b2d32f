import torch
from detector_fixtures import debug_config

from layoutdeit.engines import build_detector
from layoutdeit.older_files import upgrade_format_1


def downgrade(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state as format 1 held it: torchvision's names, and rows for background that mean nothing."""
    names = {"box_stages.0.head.": "heads.box_head.", "box_stages.0.predictor.": "heads.box_predictor."}
    older = {}
    for name, tensor in state.items():
        rows = 4 if "box_stages.0.predictor.bbox_pred" in name else 1 if "mask_fcn_logits" in name else 0
        for new, old in names.items():
            name = name.replace(new, old)
        name = f"heads.{name}" if name.startswith("mask_") else name
        older[name] = torch.cat([torch.full_like(tensor[:1], 7).repeat_interleave(rows, 0), tensor]) if rows else tensor
    return older


def test_a_file_of_format_1_fills_the_detector_of_today():
    state = build_detector(debug_config()).state_dict()
    older = downgrade(state)
    assert older["heads.box_predictor.bbox_pred.weight"].shape[0] == 4 * 6
    assert older["heads.mask_predictor.mask_fcn_logits.bias"].shape == (6,)
    upgraded = upgrade_format_1(older)
    assert upgraded.keys() == state.keys()
    assert all(torch.equal(upgraded[name], tensor) for name, tensor in state.items())
