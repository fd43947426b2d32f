import math

import pytest
import torch
import torch.nn.functional as F

from backbone.metrics import Tally


def random_batch(num_images: int, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(num_images, num_classes), torch.randint(num_classes, (num_images,))


def test_counts_are_those_of_a_plain_loop():
    logits, labels = random_batch(97, 12)
    tally = Tally(12)
    tally.update(logits, labels)
    metrics = tally.metrics()
    order = [sorted(range(12), key=row.tolist().__getitem__, reverse=True) for row in logits]
    assert metrics.top1 == sum(guess[0] == label for guess, label in zip(order, labels, strict=True)) / 97
    assert metrics.top5 == sum(int(label) in guess[:5] for guess, label in zip(order, labels, strict=True)) / 97
    assert metrics.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)
    assert metrics.num_images == 97 == sum(row.num_images for row in metrics.per_class)
    third = [guess[0] == 3 for guess, label in zip(order, labels, strict=True) if label == 3]
    assert metrics.per_class[3].top1 == sum(third) / len(third)
    assert "97 images" in str(metrics)


def test_order_and_batches_change_nothing():
    logits, labels = random_batch(60, 7)
    whole, parts = Tally(7), Tally(7)
    whole.update(logits, labels)
    order = torch.randperm(60)
    for rows in order.split(11):
        parts.update(logits[rows], labels[rows])
    assert whole.metrics() == parts.metrics()


def test_few_classes_none_right_and_no_images():
    tally = Tally(2)
    tally.update(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert (tally.metrics().top1, tally.metrics().top5) == (0, 1)
    assert math.isnan(tally.metrics().per_class[0].top1)
    empty = Tally(3)
    empty.update(torch.empty(0, 3), torch.empty(0, dtype=torch.long))
    assert math.isnan(empty.metrics().top1) and empty.metrics().num_images == 0


def test_any_of_several_labels_is_right_and_none_is_left_out():
    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    labels = torch.tensor([[True, True, False], [False, False, True], [False, False, False]])
    tally = Tally(3)
    tally.update(logits, labels)
    assert (tally.metrics().top1, tally.metrics().top5, tally.metrics().num_images) == (0.5, 1.0, 2)


def test_numbers_that_are_not_finite_show():
    tally = Tally(3)
    tally.update(torch.tensor([[1.0, 2.0, float("nan")], [1.0, 2.0, 3.0]]), torch.tensor([0, 2]))
    assert math.isnan(tally.metrics().loss) and tally.metrics().num_images == 2


@pytest.mark.parametrize(("logits", "label"), [(torch.zeros(1, 4), 0), (torch.zeros(1, 3), 3), (torch.zeros(1, 3), -1)])
def test_wrong_class_counts_are_errors(logits, label):
    with pytest.raises(ValueError, match="expected logits|do not fit 3 classes"):
        Tally(3).update(logits, torch.tensor([label]))
