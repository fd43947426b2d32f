import logging
import math

import pytest
import torch

from backbone.augment import BatchMixer
from backbone.batches import ImageBatch
from backbone.config import AugmentConfig, ImageOptimConfig, ImageTrainConfig, RunConfig
from backbone.loop import evaluate, rate_at, train_one_epoch
from backbone.optim import make_average, make_optimizer
from backbone.run_state import RunState, open_fabric
from backbone.vit import VisionTransformer, VitDimensions

DEBUG = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=3)


def make_config(**run) -> ImageTrainConfig:
    return ImageTrainConfig(
        output_dir="x",
        optim=ImageOptimConfig(rate_per_512=0.1, warmup_epochs=1, ema_decay=0.9, ema_warmup=True),
        augment=AugmentConfig(mixup=0, cutmix=0, label_smoothing=0),
        run=RunConfig(**{"epochs": 2, "batch_size": 8, "precision": "32-true", **run}),
    )


def make_batches(count: int, size: int = 8) -> list[ImageBatch]:
    torch.manual_seed(1)
    names = tuple(f"picture{index}.png" for index in range(size))
    return [ImageBatch(torch.randn(size, 3, 32, 32), torch.randint(3, (size,)), names) for _ in range(count)]


def run_epoch(config: ImageTrainConfig, batches, *, drop_path: float = 0.1, on_step=lambda report: True):
    torch.manual_seed(0)
    model = VisionTransformer(DEBUG, drop_path=drop_path)
    averaged = make_average(model, 0.9)
    optimizer = make_optimizer(model, config.optim.name, learning_rate=1, weight_decay=config.optim.weight_decay)
    fabric = open_fabric(config.run.precision, 1)
    state = RunState(*fabric.setup(model, optimizer), averaged)
    mixer = BatchMixer(config.augment, 3)
    is_whole = train_one_epoch(
        fabric, state, batches, config, steps_per_epoch=4, mixer=mixer, teacher=None, on_step=on_step
    )
    return state, is_whole


def test_steps_report_stop_when_told_and_repeat_exactly():
    reports = []

    def on_step(report):
        reports.append(report)
        return report.step < 3

    first, is_whole = run_epoch(make_config(), make_batches(4), on_step=on_step)
    assert [report.step for report in reports] == [1, 2, 3] and not is_whole and first.step == 3
    assert reports[0].learning_rate == pytest.approx(0.1 * 8 / 512 / 4)
    second, _ = run_epoch(make_config(), make_batches(3))
    for mine, theirs in zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert int(first.averaged.n_averaged) == 3


def test_accumulated_passes_are_one_large_batch():
    whole = make_batches(2, size=8)
    halves = [
        ImageBatch(batch.images[part], batch.labels[part], batch.names[part])
        for batch in whole
        for part in (slice(0, 4), slice(4, 8))
    ]
    one, _ = run_epoch(make_config(), whole, drop_path=0.0)
    two, is_whole = run_epoch(make_config(accumulate=2), halves, drop_path=0.0)
    assert one.step == two.step == 2 and is_whole
    for mine, theirs in zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=1e-3)


def test_clipping_bounds_the_step():
    config = make_config()
    config.optim.name, config.optim.weight_decay, config.optim.clip_norm = "sgd", 0.0, 1e-3
    torch.manual_seed(0)
    before = VisionTransformer(DEBUG).state_dict()
    state, _ = run_epoch(config, make_batches(1))
    after = state.plain_model().state_dict()
    moved = math.sqrt(sum(float((after[name] - before[name]).pow(2).sum()) for name in before))
    rate = rate_at(0, config, 4)
    assert moved == pytest.approx(rate * 1e-3 * 1.9, rel=0.02)  # Nesterov's first step is (1 + momentum) x gradient


def test_a_loss_that_is_not_finite_stops_with_numbers_and_names():
    batches = make_batches(3)
    batches[1].images[2, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"step 2: .*\(nan\) at rate .*not finite, on picture0.png.*4 more"):
        run_epoch(make_config(), batches)


def test_unreadable_images_are_logged_and_counted(caplog):
    batch = make_batches(1)[0]
    reports = []
    lost = ImageBatch(batch.images, batch.labels, batch.names, ("a/b.jpg cannot be read",))
    with caplog.at_level(logging.WARNING):
        run_epoch(make_config(), [lost], on_step=lambda report: reports.append(report) or True)
    assert reports[0].num_unreadable == 1 and "left out: a/b.jpg cannot be read" in caplog.text


def test_evaluation_counts_every_image_and_leaves_the_model_as_it_was():
    torch.manual_seed(0)
    model = VisionTransformer(DEBUG, drop_path=0.5).train()
    batches = [*make_batches(2), ImageBatch(torch.empty(0, 3, 0, 0), torch.empty(0, dtype=torch.long), ())]
    metrics = evaluate(model, batches)
    logits = model.eval()(torch.cat([batch.images for batch in batches[:2]]))
    labels = torch.cat([batch.labels for batch in batches])
    assert metrics.top1 == float((logits.argmax(1) == labels).float().mean()) and metrics.num_images == 16
    assert metrics.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    assert evaluate(model.train(), batches) == metrics and model.training
    assert evaluate(model, []).num_images == 0


def test_rate_is_scaled_warmed_up_and_ends_where_told():
    config = make_config(batch_size=1024, epochs=300)
    config.optim = ImageOptimConfig()
    rates = [rate_at(step, config, 1251) for step in (0, 5 * 1251 - 1, 300 * 1251)]
    assert rates == pytest.approx([1e-3 / 6255, 1e-3, 1e-5])
