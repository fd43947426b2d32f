"""Evaluation by its command: right numbers, the same ones for any number of processes, and errors in a sentence."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from image_fixtures import write_folders

from backbone import heads
from backbone.augment import EvalTransform
from backbone.config import AugmentConfig, ImageDataConfig
from backbone.datasets import LabelledImages, open_images
from backbone.deit import IMAGENET_MEAN, IMAGENET_STD
from backbone.evaluate import HEADS, main, with_labels_of
from backbone.model_file import Classifier, ImageInput, save_classifier
from backbone.vit import VisionTransformer, VitDimensions

ROOT = Path(__file__).parents[1]
NAMES = tuple(f"class{index}" for index in range(7))
DEBUG = VitDimensions(image_size_hw=(32, 32), patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=7)
INPUT = ImageInput((0.5, 0.4, 0.3), (0.2, 0.3, 0.25), 0.8)


def debug_classifier(names: tuple[str, ...] = NAMES) -> Classifier:
    torch.manual_seed(5)
    model = VisionTransformer(replace(DEBUG, num_classes=len(names)))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.1)  # so that guesses differ from image to image
    return Classifier(model.eval(), INPUT, names, {})


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    """A model, 34 validation images under ImageNet's names, one more that is broken, and ReaL labels."""
    folder = tmp_path_factory.mktemp("job")
    write_folders(folder / "data", num_classes=7, train=1, val=5)
    for number, path in enumerate(sorted((folder / "data" / "val").glob("*/*.png")), start=1):
        path.rename(path.with_name(f"ILSVRC2012_val_{number:08d}.png"))
    (folder / "data" / "val" / "class2" / "ILSVRC2012_val_00000013.png").write_bytes(b"broken")
    save_classifier(folder / "m.safetensors", debug_classifier())
    rng = np.random.default_rng(2)
    real = [sorted({int(label) for label in rng.integers(7, size=number % 4)}) for number in range(1, 36)]
    (folder / "real.json").write_text(json.dumps(real))
    return folder


def arguments(job: Path, *more: str) -> list[str]:
    data = ["--data", str(job / "data"), "--workers", "0", "--batch-size", "4"]
    return [str(job / "m.safetensors"), *data, *more]


def outputs(job: Path, name: str) -> list[str]:
    written = ["--output", str(job / f"{name}.json"), "--per-class", str(job / f"{name}.csv")]
    return arguments(job, "--real", str(job / "real.json"), *written)


@pytest.fixture(scope="module")
def one(job) -> Path:
    """The numbers of a single process."""
    assert main(outputs(job, "one")) == 0
    return job


def expected_logits(job: Path) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Logits (34, 7), labels (34,) and image numbers from 0, one image at a time."""
    images = open_images(ImageDataConfig(root=str(job / "data")), is_train=False)
    transform = EvalTransform(AugmentConfig(mean=INPUT.mean, std=INPUT.std, eval_crop=INPUT.eval_crop), 32)
    kept = [index for index in range(35) if index != 12]
    with torch.no_grad():
        logits = torch.cat([debug_classifier().model(transform(images.read(index))[None]) for index in kept])
    return logits, torch.tensor(images.labels[kept]), kept


def test_numbers_are_those_of_a_plain_loop(one):
    content = json.loads((one / "one.json").read_text())
    logits, labels, kept = expected_logits(one)
    right = logits.topk(5).indices == labels[:, None]
    assert len({*logits.argmax(1).tolist()}) > 2, "the model must guess different classes"
    overall = content["overall"]
    assert (overall["num_images"], overall["num_unreadable"]) == (34, 1)
    assert overall["top1"] == float(right[:, 0].double().mean())
    assert overall["top5"] == float(right.any(1).double().mean())
    assert overall["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    sets = json.loads((one / "real.json").read_text())
    guesses = [(guess, sets[index]) for guess, index in zip(logits.argmax(1).tolist(), kept, strict=True)]
    in_real = [guess in labels for guess, labels in guesses if labels]
    assert content["real"]["num_images"] == len(in_real) < 34
    assert content["real"]["top1"] == sum(in_real) / len(in_real)
    with open(one / "one.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class_name"] for row in rows] == list(NAMES)
    assert sum(int(row["num_correct"]) for row in rows) == int(right[:, 0].sum())
    assert rows[2]["num_images"] == "4"


@pytest.mark.heavy
@pytest.mark.timeout(600)  # a busy machine needs minutes only to import
def test_two_and_three_processes_give_the_same_numbers_to_the_last_bit(one):
    """Real processes that talk over gloo; 9 batches, the last of 3 images, fit neither number."""
    counts = {"two": 2, "three": 3}
    runs = {
        name: subprocess.Popen(
            [sys.executable, "-m", "backbone.evaluate", *outputs(one, name), "--devices", str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, count in counts.items()
    }
    try:
        for name, process in runs.items():
            printed, errors = process.communicate(timeout=500)
            assert process.returncode == 0, errors
            assert f"{counts[name]} x cpu" in printed and printed.count("34 images") == 1
            assert errors.count("cannot be read as an image") == 1
            for suffix in ("json", "csv"):
                assert (one / f"{name}.{suffix}").read_bytes() == (one / f"one.{suffix}").read_bytes()
    finally:
        for process in runs.values():
            process.terminate()  # nothing happens to one that has ended


def test_words_say_the_conditions_and_the_numbers(job, capsys):
    assert main(arguments(job, "--image-size", "40", "--crop-ratio", "1", "--precision", "bf16-mixed")) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("m.safetensors on val: 40 px, crop ratio 1, bf16-mixed, 1 x cpu, ")
    assert printed[1].startswith("top-1 ") and printed[1].endswith("34 images")
    assert printed[2] == "left out, unreadable: 1 images"
    assert printed[3].startswith("lowest classes: class")


def test_a_published_checkpoint_scores_as_the_same_weights_of_ours(job, tmp_path, capsys):
    """Official form: a `model` entry, no names, ImageNet's mean and deviation."""
    torch.manual_seed(0)
    model = VisionTransformer(replace(DEBUG, embed_dim=192, depth=1, num_heads=3))
    torch.nn.init.normal_(model.head.weight)
    torch.save({"model": model.state_dict()}, tmp_path / "deit.pth")
    save_classifier(
        tmp_path / "ours.safetensors", Classifier(model, ImageInput(IMAGENET_MEAN, IMAGENET_STD), NAMES, {})
    )
    content = []
    for name in ("deit.pth", "ours.safetensors"):
        assert main([str(tmp_path / name), *arguments(job)[1:], "--output", str(tmp_path / "metrics.json")]) == 0
        content.append(json.loads((tmp_path / "metrics.json").read_text()))
    assert content[0]["overall"] == content[1]["overall"] and content[0]["crop_ratio"] == 0.875
    said = capsys.readouterr().err
    assert "deit.pth\n" in said and "used: 20 keys as they are" in said and "ours.safetensors" not in said


def test_a_distilled_model_is_scored_by_each_head(job, tmp_path, capsys):
    """Class, distillation and both are three rows of the paper's Table 3; a model without the token has one."""
    torch.manual_seed(1)
    model = VisionTransformer(replace(DEBUG, distilled=True)).eval()
    for head in (model.head, model.head_dist):
        torch.nn.init.normal_(head.weight)
    save_classifier(tmp_path / "m.safetensors", Classifier(model, INPUT, NAMES, {}))
    losses = {}
    for head in ("class", "distillation", "both"):
        written = ["--head", head, "--output", str(tmp_path / "metrics.json")]
        assert main([str(tmp_path / "m.safetensors"), *arguments(job)[1:], *written]) == 0
        content = json.loads((tmp_path / "metrics.json").read_text())
        losses[content["head"]] = content["overall"]["loss"]
        assert f"{head} head" in capsys.readouterr().out
    images = open_images(ImageDataConfig(root=str(job / "data")), is_train=False)
    transform = EvalTransform(AugmentConfig(mean=INPUT.mean, std=INPUT.std, eval_crop=INPUT.eval_crop), 32)
    kept = [index for index in range(35) if index != 12]
    with torch.no_grad():
        tokens = model.forward_features(torch.stack([transform(images.read(index)) for index in kept]))
        by_head = {"class": model.head(tokens[:, 0]), "distillation": model.head_dist(tokens[:, 1])}
    by_head["both"] = (by_head["class"] + by_head["distillation"]) / 2
    for head, logits in by_head.items():
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(images.labels[kept]))
        assert losses[head] == pytest.approx(float(loss), rel=1e-4)
    assert main(arguments(job, "--head", "class")) == 1
    assert "no distillation token, so only one head" in capsys.readouterr().err


def labelled(names: tuple[str, ...], labels: list[int]) -> LabelledImages:
    return LabelledImages(np.array(labels), names, Path("x"), paths=np.array([b"a"] * len(labels)))


def test_classes_are_matched_by_name():
    """A part of the class folders, or another order of them, must not shift the labels."""
    found = with_labels_of(debug_classifier(("cat", "dog", "newt")), labelled(("dog", "newt"), [0, 1, 1]))
    assert found.labels.tolist() == [1, 2, 2] and found.class_names == ("cat", "dog", "newt")
    unnamed = labelled(("0", "1", "2"), [2, 0])
    assert with_labels_of(debug_classifier(("cat", "dog", "newt")), unnamed).labels.tolist() == [2, 0]


def test_classes_that_the_training_data_had_not_have_names_too():
    classifier = replace(debug_classifier(("cat", "dog", "newt")), class_names=("cat", "dog"))
    found = with_labels_of(classifier, labelled(("dog",), [0]))
    assert found.labels.tolist() == [1] and found.class_names == ("cat", "dog", "class 2")
    with pytest.raises(ValueError, match="the data set has 2 classes, the model 3"):  # a class that it has not seen
        with_labels_of(classifier, labelled(("cat", "class 2"), [0, 1]))


def test_names_given_to_classes_without_one_are_not_matched():
    classifier = replace(debug_classifier(("cat", "dog", "newt")), class_names=("class 1", "class 2"))
    assert with_labels_of(classifier, labelled(("class 1", "class 2"), [0, 1])).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("cat", "dog", "eft"), "the model was trained on other classes: it does not know eft"),
        (("cat", "dog", "eft", "newt"), "the data set has 4 classes, the model 3"),
        (("0", "1"), "the data set has 2 classes, the model 3"),
    ],
)
def test_other_classes_are_refused(names, said):
    with pytest.raises(ValueError, match=said):
        with_labels_of(debug_classifier(("cat", "dog", "newt")), labelled(names, [0]))


def test_a_model_without_a_head_is_refused():
    headless = Classifier(VisionTransformer(replace(DEBUG, num_classes=0)), INPUT, (), {})
    with pytest.raises(ValueError, match="no head"):
        with_labels_of(headless, labelled(("a",), [0]))


def test_images_that_are_all_broken_are_no_score(job, tmp_path, capsys):
    for name in NAMES:
        (tmp_path / "val" / name).mkdir(parents=True)
        (tmp_path / "val" / name / "0.png").write_bytes(b"broken")
    assert main(arguments(job, "--data", str(tmp_path))) == 1
    assert "none of the 7 images can be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--data", "/nowhere"], 2, "no folder /nowhere"),
        (["--split", "test"], 2, "expected a folder of class folders"),
        (["--data-format", "coco"], 2, "unknown data.format 'coco'"),
        (["--crop-ratio", "1.5"], 2, "from 0.1 to 1, got 1.5"),
        (["--image-size", "30"], 1, "a multiple of the patch size 8, got 30"),
        (["--batch-size", "0"], 2, "expected 1 or more, got 0"),
        (["--workers", "-1"], 2, "expected 0 or more, got -1"),
        (["--precision", "fp8"], 2, "invalid choice: 'fp8' (choose from"),
        (["--head", "dist"], 2, "invalid choice: 'dist' (choose from"),
        (["--output", "/dev/null/x.json"], 2, "/dev/null is no folder"),
        (["--per-class", "/dev/null/x.csv"], 2, "/dev/null is no folder"),
        (["--real", "none.json"], 2, "no ReaL labels at none.json"),
        (["--split", "train", "--real", "REAL"], 1, "0.png is no ILSVRC2012_val_NNNNNNNN"),
    ],
)
def test_errors_are_sentences(job, capsys, options, status, said):
    options = [str(job / "real.json") if option == "REAL" else option for option in options]
    try:
        found = main(arguments(job, *options))
    except SystemExit as stopped:
        found = stopped.code
    assert found == status and said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "/nowhere"], "no folder /nowhere"),
        (["--split", "test"], "expected a folder of class folders"),
        (["--real", "none.json"], "no ReaL labels at none.json"),
        (["--split", "train", "--real", "REAL"], "is no ILSVRC2012_val_NNNNNNNN"),
    ],
)
def test_the_data_are_looked_at_before_weights_are_fetched(job, capsys, monkeypatch, options, said):
    monkeypatch.setattr("backbone.evaluate.open_model", None)  # calling it would fetch
    options = [str(job / "real.json") if option == "REAL" else option for option in options]
    assert main(["deit_tiny_patch16_224", *arguments(job)[1:], *options]) in (1, 2)
    assert said in capsys.readouterr().err


def test_the_heads_to_choose_from_are_all_that_there_are():
    assert HEADS == heads.HEADS


def test_a_model_that_is_not_there_or_broken_is_a_sentence(job, tmp_path, capsys):
    rest = arguments(job)[1:]
    assert main([str(tmp_path / "none.safetensors"), *rest]) == 2
    assert "none.safetensors: give a file, or one of the names deit_tiny" in capsys.readouterr().err
    (tmp_path / "half.safetensors").write_bytes((job / "m.safetensors").read_bytes()[:1000])
    assert main([str(tmp_path / "half.safetensors"), *rest]) == 1
    assert "is not a whole safetensors file" in capsys.readouterr().err
    (tmp_path / "text.pth").write_text("hello")
    assert main([str(tmp_path / "text.pth"), *rest]) == 1
    assert "text.pth is not a whole PyTorch file" in capsys.readouterr().err
