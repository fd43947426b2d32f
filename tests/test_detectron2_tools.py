"""detectron2's own trainers, predictor and tools on our backbone, as real processes on made-up pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_fixtures import write_tree

pytest.importorskip("detectron2", reason="detectron2 is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

from layoutdeit.detectron2_keys import from_detectron2  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "detectron2"
SMALL = (
    "MODEL.DEVICE cpu MODEL.DEIT.NAME deit_tiny_patch16_224 MODEL.FPN.OUT_CHANNELS 16 MODEL.ROI_BOX_HEAD.FC_DIM 16 "
    "MODEL.ROI_MASK_HEAD.CONV_DIM 8 MODEL.RPN.PRE_NMS_TOPK_TEST 50 MODEL.RPN.POST_NMS_TOPK_TEST 20 "
    "SOLVER.IMS_PER_BATCH 2 SOLVER.MAX_ITER 2 SOLVER.AMP.ENABLED False INPUT.MIN_SIZE_TRAIN (96,) "
    "INPUT.MIN_SIZE_TEST 96 INPUT.CROP.ENABLED False DATALOADER.NUM_WORKERS 0 TEST.EVAL_PERIOD 0"
).split()
SMALL_LAZY = """
train.device=cpu train.amp.enabled=False train.max_iter=2 train.eval_period=2 train.log_period=1
model.backbone.bottom_up.config.name=deit_tiny_patch16_224 model.backbone.out_channels=16
model.roi_heads.box_head.fc_dims=[16,16] model.roi_heads.mask_head.conv_dims=[8,8,8,8,8]
dataloader.train.total_batch_size=2 dataloader.train.num_workers=0 dataloader.test.num_workers=0
dataloader.train.mapper.augmentations.0.short_edge_length=[96]
dataloader.test.mapper.augmentations.0.short_edge_length=96
""".split()


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> Path:
    """A folder as DETECTRON2_DATASETS names it, with a small tree in PubLayNet's place."""
    root = tmp_path_factory.mktemp("datasets")
    write_tree(root / "publaynet", num_pages=4)
    write_tree(root / "publaynet", num_pages=3, split="val", seed=1)
    return root


@pytest.fixture
def source() -> Path:
    """detectron2's source tree, for its tools are not installed with it."""
    folder = os.environ.get("LAYOUTDEIT_DETECTRON2_SOURCE")
    if not folder:
        pytest.skip("LAYOUTDEIT_DETECTRON2_SOURCE does not name a source tree of detectron2")
    return Path(folder)


def run(datasets: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "DETECTRON2_DATASETS": str(datasets)}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True, map_location="cpu")["model"]


@pytest.mark.parametrize("name", ["mask_rcnn_deit_b.yaml", "cascade_deit_b.yaml"])
def test_default_trainer_and_predictor(name, datasets, tmp_path, monkeypatch):
    from detectron2.engine import DefaultPredictor, DefaultTrainer

    from layoutdeit.engines.detectron2 import model  # noqa: F401 (registers)
    from layoutdeit.engines.detectron2.data import register_publaynet_tree
    from layoutdeit.engines.detectron2.settings import deit_config

    monkeypatch.setenv("DETECTRON2_DATASETS", str(datasets))
    register_publaynet_tree()
    register_publaynet_tree()
    cfg = deit_config()
    cfg.merge_from_file(str(CONFIGS / name))
    cfg.merge_from_list([*SMALL, "OUTPUT_DIR", str(tmp_path), "DATASETS.TEST", "()", "SOLVER.OPTIMIZER", "SGD"])
    trainer = DefaultTrainer(cfg)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    moved = [name for name, value in trainer.model.named_parameters() if not torch.equal(value, before[name])]
    assert any("blocks.0." in name for name in moved) and any("cls_score" in name for name in moved)

    cfg.MODEL.WEIGHTS = str(tmp_path / "model_final.pth")
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    instances = DefaultPredictor(cfg)(np.full((130, 100, 3), 255, np.uint8))["instances"]
    assert len(instances) > 0 and instances.pred_masks.shape[1:] == (130, 100)
    assert any(key.startswith("box_stages.0") for key in from_detectron2(weights_of(tmp_path / "model_final.pth")))


def test_train_net_runs_through_the_launcher(datasets, source, tmp_path):
    run(
        datasets, "-m", "layoutdeit.engines.detectron2.launch", str(source / "tools" / "train_net.py"),
        "--config-file", str(CONFIGS / "mask_rcnn_deit_b.yaml"), "--num-gpus", "0",
        "OUTPUT_DIR", str(tmp_path), *SMALL,
    )  # fmt: skip
    checkpoint = torch.load(tmp_path / "model_final.pth", weights_only=True)
    optimizer = checkpoint["trainer"]["_trainer"]["optimizer"]
    assert "exp_avg_sq" in optimizer["state"][0]  # AdamW, not detectron2's SGD
    assert (tmp_path / "inference" / "coco_instances_results.json").is_file()


def test_lazyconfig_train_net_runs_as_it_is(datasets, source, tmp_path):
    run(
        datasets, str(source / "tools" / "lazyconfig_train_net.py"),
        "--config-file", str(CONFIGS / "mask_rcnn_deit_b_lazy.py"), "--num-gpus", "0",
        f"train.output_dir={tmp_path}", *SMALL_LAZY,
    )  # fmt: skip
    assert from_detectron2(weights_of(tmp_path / "model_final.pth"))


def test_the_launcher_explains_itself(datasets, capsys):
    from layoutdeit.engines.detectron2.launch import main

    assert main(["--help"]) == 0 and "TRAIN_NET.py" in capsys.readouterr().out
    assert main(["nowhere.py"]) == 2 and "no file at 'nowhere.py'" in capsys.readouterr().err
    assert main([]) == 2


def test_our_training_and_evaluation_run_on_it(datasets, tmp_path):
    """engine=detectron2 trains, and its model file gives the same numbers in both engines."""
    from layoutdeit.evaluate import main as evaluate
    from layoutdeit.train import main as train

    tree = datasets / "publaynet"
    (tmp_path / "debug.yaml").write_text("""
num_steps: 3
batch_size: 2
engine: detectron2
tensorboard: false
precision: 32-true
detector:
  backbone: {name: deit_tiny_patch16_224, grid_size_px: [128, 96], drop_path: 0.0}
  channels: 16
  input: {short_side: 96, long_side: 160, train_short_sides: [96]}
  heads: {box_dim: 32, rois_per_image: 32, mask_dim: 8, mask_layers: 1, min_score: 0.001, canonical_box_size: 56}
data: {num_workers: 0}
optim: {learning_rate: 1.0e-3, warmup_steps: 2, ema_decay: 0.9}
""")
    assert train([str(tmp_path / "debug.yaml"), f"data.root={tree}", f"output_dir={tmp_path}/run"]) == 0
    common = [f"{tmp_path}/run/model.safetensors", "--annotations", f"{tree}/val.json", "--images", f"{tree}/val"]
    results = {}
    for engine in ("torchvision", "detectron2"):
        output = tmp_path / f"{engine}.json"
        assert evaluate([*common, "--engine", engine, "--output", str(output), "--detections", f"{output}.all"]) == 0
        results[engine] = json.loads(Path(f"{output}.all").read_text())
    assert len(results["torchvision"]) == len(results["detectron2"]) > 0
    for one, other in zip(*results.values(), strict=True):
        assert np.allclose(one["bbox"], other["bbox"], atol=0.02) and abs(one["score"] - other["score"]) < 1e-3
