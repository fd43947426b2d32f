"""The published detector as a LazyConfig, for detectron2's tools/lazyconfig_train_net.py as it is.

DETECTRON2_DATASETS=/data python DETECTRON2/tools/lazyconfig_train_net.py \
    --config-file configs/detectron2/mask_rcnn_deit_b_lazy.py --num-gpus 8 train.output_dir=runs/deit_b

Sources, hardware and score are in mask_rcnn_deit_b.yaml; the crops of the published run are left out here.
"""

from detectron2.config import LazyCall
from detectron2.data import (
    DatasetMapper,
    build_detection_test_loader,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.evaluation import COCOEvaluator
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN, GeneralizedRCNN
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.proposal_generator import RPN, StandardRPNHead
from detectron2.modeling.roi_heads import (
    FastRCNNConvFCHead,
    FastRCNNOutputLayers,
    MaskRCNNConvUpsampleHead,
    StandardROIHeads,
)
from detectron2.solver import WarmupParamScheduler
from detectron2.solver.build import get_default_optimizer_params
from fvcore.common.param_scheduler import CosineParamScheduler

from layoutdeit.config import BackboneConfig
from layoutdeit.engines.detectron2.data import register_publaynet_tree
from layoutdeit.engines.detectron2.model import DeitBottomUp
from layoutdeit.engines.detectron2.solver import ClippedAdamW

register_publaynet_tree()

LEVELS = ["p2", "p3", "p4", "p5"]
SCALES = (1 / 4, 1 / 8, 1 / 16, 1 / 32)

model = LazyCall(GeneralizedRCNN)(
    backbone=LazyCall(FPN)(
        bottom_up=LazyCall(DeitBottomUp)(
            config=LazyCall(BackboneConfig)(
                name="deit_base_distilled_patch16_224",
                grid_size_px=(224, 224),
                position_resize="scale_factor",
                drop_path=0.1,
            )
        ),
        in_features=["layer3", "layer5", "layer7", "layer11"],
        out_channels=256,
        top_block=LazyCall(LastLevelMaxPool)(),
    ),
    proposal_generator=LazyCall(RPN)(
        in_features=[*LEVELS, "p6"],
        head=LazyCall(StandardRPNHead)(in_channels="${...backbone.out_channels}", num_anchors=3),
        anchor_generator=LazyCall(DefaultAnchorGenerator)(
            sizes=[[32], [64], [128], [256], [512]],
            aspect_ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
            offset=0.0,
        ),
        anchor_matcher=LazyCall(Matcher)(thresholds=[0.3, 0.7], labels=[0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=LazyCall(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_topk=(2000, 1000),
        post_nms_topk=(1000, 1000),
        nms_thresh=0.7,
    ),
    roi_heads=LazyCall(StandardROIHeads)(
        num_classes=5,
        batch_size_per_image=512,
        positive_fraction=0.25,
        proposal_matcher=LazyCall(Matcher)(thresholds=[0.5], labels=[0, 1], allow_low_quality_matches=False),
        box_in_features=LEVELS,
        box_pooler=LazyCall(ROIPooler)(output_size=7, scales=SCALES, sampling_ratio=0, pooler_type="ROIAlignV2"),
        box_head=LazyCall(FastRCNNConvFCHead)(
            input_shape=LazyCall(ShapeSpec)(channels="${....backbone.out_channels}", height=7, width=7),
            conv_dims=[],
            fc_dims=[1024, 1024],
        ),
        box_predictor=LazyCall(FastRCNNOutputLayers)(
            input_shape=LazyCall(ShapeSpec)(channels="${...box_head.fc_dims[1]}"),
            test_score_thresh=0.05,
            box2box_transform=LazyCall(Box2BoxTransform)(weights=(10, 10, 5, 5)),
            num_classes="${..num_classes}",
        ),
        mask_in_features=LEVELS,
        mask_pooler=LazyCall(ROIPooler)(output_size=14, scales=SCALES, sampling_ratio=0, pooler_type="ROIAlignV2"),
        mask_head=LazyCall(MaskRCNNConvUpsampleHead)(
            input_shape=LazyCall(ShapeSpec)(channels="${....backbone.out_channels}", width=14, height=14),
            num_classes="${..num_classes}",
            conv_dims=[256, 256, 256, 256, 256],  # four convolutions, then the upsampling
        ),
    ),
    pixel_mean=[123.675, 116.280, 103.530],
    pixel_std=[58.395, 57.120, 57.375],
    input_format="RGB",
)

dataloader = {
    "train": LazyCall(build_detection_train_loader)(
        dataset=LazyCall(get_detection_dataset_dicts)(names="publaynet_train", filter_empty=False),
        mapper=LazyCall(DatasetMapper)(
            is_train=True,
            augmentations=[
                LazyCall(ResizeShortestEdge)(
                    short_edge_length=[480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800],
                    sample_style="choice",
                    max_size=1333,
                )
            ],
            image_format="RGB",
            use_instance_mask=True,
        ),
        total_batch_size=16,
        num_workers=4,
    ),
    "test": LazyCall(build_detection_test_loader)(
        dataset=LazyCall(get_detection_dataset_dicts)(names="publaynet_val", filter_empty=False),
        mapper=LazyCall(DatasetMapper)(
            is_train=False,
            augmentations=[LazyCall(ResizeShortestEdge)(short_edge_length=800, max_size=1333)],
            image_format="RGB",
        ),
        num_workers=4,
    ),
    "evaluator": LazyCall(COCOEvaluator)(dataset_name="publaynet_val"),
}

train = {
    "output_dir": "./output",
    "init_checkpoint": "",
    "max_iter": 60000,
    "amp": {"enabled": True},
    "ddp": {"broadcast_buffers": False, "find_unused_parameters": False, "fp16_compression": False},
    "checkpointer": {"period": 2000, "max_to_keep": 100},
    "eval_period": 2000,
    "log_period": 20,
    "device": "cuda",
}

optimizer = LazyCall(ClippedAdamW)(
    params=LazyCall(get_default_optimizer_params)(base_lr="${..lr}"),
    lr=4e-4,
    weight_decay=0.05,
    max_norm=1.0,
)

lr_multiplier = LazyCall(WarmupParamScheduler)(
    scheduler=LazyCall(CosineParamScheduler)(start_value=1.0, end_value=0.0),
    warmup_length=1000 / 60000,
    warmup_factor=0.01,
)
