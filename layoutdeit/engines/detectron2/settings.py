"""Settings of detectron2: what our backbone adds to them, and a detector of ours told in its words."""

from __future__ import annotations

from detectron2.config import CfgNode, get_cfg

from layoutdeit.config import BackboneConfig, DetectorConfig
from layoutdeit.engines.box_head import STAGE_WEIGHTS

POOLED_LEVELS = ["p2", "p3", "p4", "p5"]


def add_deit_config(cfg: CfgNode) -> None:
    """Add MODEL.DEIT and the optimiser settings that launch.py reads to a detectron2 configuration, in place."""
    backbone = BackboneConfig()
    cfg.MODEL.DEIT = CfgNode(
        {
            "NAME": backbone.name,  # a row of backbone.deit.DEIT_SIZES
            "GRID_SIZE_PX": list(backbone.grid_size_px),  # height and width that the position grid belongs to
            "POSITION_RESIZE": backbone.position_resize,
            "DROP_PATH": backbone.drop_path,
            "ACTIVATION_CHECKPOINTING": backbone.activation_checkpointing,
            "CANONICAL_BOX_SIZE": 224,  # px; pooled from stride 16
        }
    )
    cfg.SOLVER.OPTIMIZER = "ADAMW"  # ADAMW with a clip of the whole model's gradient, or SGD as detectron2 has it
    cfg.SOLVER.FULL_MODEL_CLIP = 1.0  # norm; 0: none


def deit_config() -> CfgNode:
    """detectron2's defaults with ours added."""
    cfg = get_cfg()
    add_deit_config(cfg)
    return cfg


def detectron2_config(config: DetectorConfig, device: str = "cpu") -> CfgNode:
    """The configuration with which detectron2 builds the model that the torchvision engine builds from `config`."""
    cfg = deit_config()
    model, heads, proposals = cfg.MODEL, config.heads, config.proposals
    model.META_ARCHITECTURE = "DeitRCNN"
    model.DEVICE = device
    model.WEIGHTS = ""
    model.MASK_ON = heads.mask_layers > 0
    model.PIXEL_MEAN = [255 * value for value in config.input.mean]
    model.PIXEL_STD = [255 * value for value in config.input.std]
    model.BACKBONE.NAME = "build_deit_fpn_backbone"
    model.DEIT.NAME = config.backbone.name
    model.DEIT.GRID_SIZE_PX = list(config.backbone.grid_size_px)
    model.DEIT.POSITION_RESIZE = config.backbone.position_resize
    model.DEIT.DROP_PATH = config.backbone.drop_path
    model.DEIT.ACTIVATION_CHECKPOINTING = config.backbone.activation_checkpointing
    model.DEIT.CANONICAL_BOX_SIZE = heads.canonical_box_size
    model.FPN.OUT_CHANNELS = config.channels
    model.ANCHOR_GENERATOR.SIZES = [[size] for size in proposals.anchor_sizes]
    model.ANCHOR_GENERATOR.ASPECT_RATIOS = [list(proposals.aspect_ratios)]
    model.RPN.IN_FEATURES = [*POOLED_LEVELS, "p6"]
    model.RPN.IOU_THRESHOLDS = [proposals.negative_iou, proposals.positive_iou]
    model.RPN.BATCH_SIZE_PER_IMAGE = proposals.anchors_per_image
    model.RPN.PRE_NMS_TOPK_TRAIN, model.RPN.PRE_NMS_TOPK_TEST = proposals.train_candidates, proposals.candidates
    model.RPN.POST_NMS_TOPK_TRAIN, model.RPN.POST_NMS_TOPK_TEST = proposals.train_proposals, proposals.proposals
    model.RPN.NMS_THRESH = proposals.nms_iou
    model.ROI_HEADS.NAME = "CascadeROIHeads" if heads.cascade_ious else "StandardROIHeads"
    model.ROI_HEADS.IN_FEATURES = POOLED_LEVELS
    model.ROI_HEADS.NUM_CLASSES = config.num_classes
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = heads.rois_per_image
    model.ROI_HEADS.POSITIVE_FRACTION = heads.positive_fraction
    model.ROI_HEADS.IOU_THRESHOLDS = [heads.positive_iou]
    model.ROI_HEADS.SCORE_THRESH_TEST = heads.min_score
    model.ROI_HEADS.NMS_THRESH_TEST = heads.nms_iou
    model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    model.ROI_BOX_HEAD.NUM_FC = 2
    model.ROI_BOX_HEAD.FC_DIM = heads.box_dim
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    model.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = bool(heads.cascade_ious)
    if heads.cascade_ious:
        model.ROI_BOX_CASCADE_HEAD.IOUS = tuple(heads.cascade_ious)
        model.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS = STAGE_WEIGHTS[: len(heads.cascade_ious)]
    model.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    model.ROI_MASK_HEAD.NUM_CONV = heads.mask_layers
    model.ROI_MASK_HEAD.CONV_DIM = heads.mask_dim
    model.ROI_MASK_HEAD.POOLER_RESOLUTION = 14
    cfg.TEST.DETECTIONS_PER_IMAGE = heads.detections_per_page
    cfg.INPUT.FORMAT = "RGB"
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = config.input.short_side, config.input.long_side
    cfg.INPUT.MIN_SIZE_TRAIN = tuple(config.input.train_short_sides)
    cfg.INPUT.MAX_SIZE_TRAIN = config.input.long_side
    cfg.INPUT.RANDOM_FLIP = "none"  # mirrored text does not occur
    return cfg
