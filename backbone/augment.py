"""Image transforms for training and evaluation, and Mixup/CutMix of batches, built from timm's own parts.

Sits between a picture and the model's input. timm draws from the process's global generators; here they are seeded
for each image and each batch and put back, so that results depend on no worker count and survive a resume.
The recipe: arXiv:2012.12877, sec. 6 and Table 9.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backbone.config import AugmentConfig

_PADDING_PX = 4  # of a padded crop, as the DeiT code does for images of 32 px


class TrainTransform:
    """Crop, flip, RandAugment, normalise and erase one image. RGB picture -> (3, size, size) float."""

    def __init__(self, config: AugmentConfig, size_px: int) -> None:
        from torchvision.transforms import RandomCrop

        try:
            from timm.data.transforms_factory import transforms_imagenet_train
        except ImportError as error:
            raise ImportError("training on images needs timm: pip install 'layoutdeit[train]'") from error
        self._transform = transforms_imagenet_train(
            size_px,
            scale=(config.min_area, 1.0),
            hflip=config.flip,
            color_jitter=config.color_jitter or None,
            auto_augment=config.rand_augment or None,
            interpolation="bicubic",
            mean=tuple(config.mean),
            std=tuple(config.std),
            re_prob=config.erasing,
            re_mode="pixel",
        )
        _allow_no_bits(self._transform.transforms)
        if config.crop == "padded":
            self._transform.transforms[0] = RandomCrop(size_px, padding=_PADDING_PX, pad_if_needed=True)

    def __call__(self, image: Image.Image, seed: tuple[int, ...]) -> Tensor:
        """The same image and seed give the same tensor in any process."""
        with seeded(*seed):
            return self._transform(image)


class EvalTransform:
    """Resize the short side, cut the centre, normalise, as the DeiT code. RGB picture -> (3, size, size) float."""

    def __init__(self, config: AugmentConfig, size_px: int) -> None:
        from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

        self.resize_px = int(size_px / config.eval_crop)
        self._transform = Compose(
            [
                Resize(self.resize_px, interpolation=InterpolationMode.BICUBIC),
                CenterCrop(size_px),
                ToTensor(),
                Normalize(config.mean, config.std),
            ]
        )

    def __call__(self, image: Image.Image) -> Tensor:
        """Nothing is drawn."""
        return self._transform(image)


class BatchMixer:
    """Mixup or CutMix of a batch and its soft targets, labels smoothed (arXiv:1710.09412, arXiv:1905.04899)."""

    def __init__(self, config: AugmentConfig, num_classes: int) -> None:
        from timm.data.mixup import Mixup

        self._num_classes, self._smoothing = num_classes, config.label_smoothing
        self._mixup = None
        if config.mixes:
            self._mixup = Mixup(
                mixup_alpha=config.mixup,
                cutmix_alpha=config.cutmix,
                prob=config.mix_probability,
                switch_prob=config.switch,
                label_smoothing=config.label_smoothing,
                num_classes=num_classes,
            )

    def __call__(self, images: Tensor, labels: Tensor, seed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """images (B, 3, H, W), mixed in place, labels (B,) -> images and targets (B, K), each row summing to 1.

        ValueError for an odd batch, which cannot be mixed in pairs.
        """
        from timm.data.mixup import mixup_target

        if self._mixup is None:
            return images, mixup_target(labels, self._num_classes, smoothing=self._smoothing)
        if len(images) % 2:
            raise ValueError(f"Mixup and CutMix need an even number of images, got {len(images)}")
        with seeded(*seed):
            return self._mixup(images, labels)


def _allow_no_bits(transforms: list) -> None:
    """Give RandAugment its strongest posterization back: 0 bits, a black image, which Pillow refuses since version 13.

    timm asks for it wherever the drawn magnitude reaches 10: in one of 45 posterizations at m9-mstd0.5.
    """
    from timm.data.auto_augment import posterize

    for transform in transforms:
        for operation in getattr(transform, "ops", ()):
            if operation.aug_fn is posterize:
                operation.aug_fn = _posterize


def _posterize(image: Image.Image, bits_to_keep: int, **options: object) -> Image.Image:
    """At module level, so that a transform can be sent to loader processes. options: timm's, for other operations."""
    from timm.data.auto_augment import posterize

    return posterize(image, bits_to_keep) if bits_to_keep > 0 else Image.new(image.mode, image.size)


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's CPU generator from the numbers, and put their states back afterwards."""
    words = np.random.SeedSequence(seed).generate_state(4)
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(int(words[0]))
    np.random.seed(words[1:3])
    # Not torch.manual_seed, which would seed the GPUs too and could not be put back as cheaply.
    torch.default_generator.manual_seed(int(words[3]))
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
