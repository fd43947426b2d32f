import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from detector_fixtures import INT8, blank_page, debug_config, page_target
from torch import nn

from layoutdeit.analyzer import LayoutAnalyzer
from layoutdeit.engines import PRECISIONS, build_detector
from layoutdeit.engines.precision import MULTIPLIED, chosen_precision, prepare_to_predict
from layoutdeit.weights import load_model, save_model


@pytest.fixture
def model(tmp_path):
    """A model of noise, sure of everything."""
    torch.manual_seed(0)
    config = debug_config()
    config.heads.min_score = 0.0
    save_model(tmp_path / "noise.safetensors", build_detector(config).state_dict(), config, {})
    return str(tmp_path / "noise.safetensors")


def drawn_page() -> torch.Tensor:
    page = blank_page()
    page[:, 20:60, 10:80] = 0.2
    return page


def a_detector(*, engine: str = "torchvision", width: int = 192) -> SimpleNamespace:
    """What tells the precision of a detector."""
    return SimpleNamespace(engine=engine, backbone=SimpleNamespace(dimensions=SimpleNamespace(embed_dim=width)))


def test_unknown_precision_names_the_choices():
    with pytest.raises(ValueError, match="fp16.*auto, fp32, bf16, int8"):
        chosen_precision("fp16", a_detector(), "cpu")


@pytest.mark.parametrize(
    ("bf16", "int8", "expected"), [(True, True, "bf16"), (False, True, "int8"), (False, False, "fp32")]
)
def test_auto_is_what_the_processor_multiplies_faster(bf16, int8, expected, monkeypatch):
    monkeypatch.setattr("layoutdeit.engines.precision.is_quicker_in_bf16", lambda kind: bf16 and kind == "cpu")
    monkeypatch.setattr("layoutdeit.engines.precision.is_quicker_in_int8", lambda: int8)
    assert chosen_precision("auto", a_detector(), "cpu") == expected
    assert chosen_precision("auto", a_detector(), "cuda") == "fp32"
    assert chosen_precision("auto", a_detector(width=768), "cpu") == ("bf16" if bf16 else "fp32")
    assert chosen_precision("auto", a_detector(engine="detectron2"), "cpu") == "fp32"
    assert chosen_precision("bf16", a_detector(engine="detectron2"), "cpu") == "bf16"


def test_the_schema_of_results_knows_them_all():
    schema = json.loads((Path(__file__).parents[1] / "docs" / "result.schema.json").read_text())
    assert schema["properties"]["model"]["properties"]["precision"]["enum"] == [*PRECISIONS[1:]]


def test_int8_is_refused_where_there_is_none(monkeypatch):
    for device, engine in (("cuda", "torchvision"), ("cpu", "detectron2")):
        with pytest.raises(ValueError, match="int8 is for a CPU"):
            chosen_precision("int8", a_detector(engine=engine), device)
    monkeypatch.setattr("layoutdeit.engines.precision.is_exact", lambda: False)
    with pytest.raises(ValueError, match="no exact products in int8"):
        chosen_precision("int8", a_detector(), "cpu")


def test_only_what_is_multiplied_is_cast(model):
    detector = load_model(model, precision="bf16").detector
    for module in detector.modules():
        kinds = {parameter.dtype for parameter in module.parameters(recurse=False)}
        if isinstance(module, MULTIPLIED):
            assert kinds == {torch.bfloat16}
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            assert kinds == {torch.float32}
    assert detector.precision == "bf16" and load_model(model).detector.precision == "fp32"


@pytest.mark.parametrize("precision", ["bf16", INT8])
def test_rounded_products_give_float32_results_near_those_of_fp32(model, precision):
    exact, quick = (load_model(model, precision=name).detector for name in ("fp32", precision))
    one, other = (detector.predict([drawn_page()], masks=True)[0] for detector in (exact, quick))
    assert other.boxes.dtype == other.scores.dtype == torch.float32 and other.masks.dtype == torch.bool
    assert len(one.boxes) and one.scores[0] == pytest.approx(float(other.scores[0]), abs=0.02)
    assert exact.predict([blank_page(40, 300)]) and quick.predict([blank_page(40, 300)])  # neither size nor ink


def test_fp32_does_not_undo_what_the_caller_has_set_up(model):
    detector = load_model(model).detector
    plain = detector.predict([drawn_page()])[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = detector.predict([drawn_page()])[0]
    assert not torch.equal(plain.scores[:5], cast.scores[:5])


def test_layout_of_weights_changes_neither_shape_nor_value():
    torch.manual_seed(0)
    detector = build_detector(debug_config()).eval()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    prepare_to_predict(detector, "fp32")
    after = detector.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    losses = detector.train()([drawn_page()], [page_target(((10, 20, 80, 60), 1))])
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("name", ["auto", "fp32", "bf16", INT8])
def test_an_analysis_says_its_arithmetic(model, name):
    analyzer = LayoutAnalyzer(model, precision=name)
    assert analyzer.info.precision == chosen_precision(name, build_detector(debug_config()), "cpu")
    assert analyzer.info.precision in PRECISIONS[1:]
