"""The plan of the house, checked on the source: who may import whom.

A new file of layoutdeit goes into one of the trunks below; a test says so if it was forgotten.
"""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from source_tree import is_in, sources, ways_to

# The trunks of layoutdeit. Training and analysis share only the first; the corpus has only labels, geometry and
# upright pictures of it, and reads annotations and pictures as training does.
SHARED = (
    "labels geometry stopwatch upright_picture even_light ink print_lines paragraphs list_items fit layout config "
    "postprocess draw synced_norm pyramid engines older_files detectron2_keys published_detector detector_file "
    "detector_conversion weight_average model_registry weights onnx_export attention"
)
DATA = "coco_json annotation_report page_annotations annotation_cache outlines pictures"
TRAINING = (
    "publaynet augment coco_eval bootstrap gallery learning_rate loop train_log validation train evaluate "
    "full_scale compare_engines ablation"
)
ANALYSIS = (
    "limits pdf_error source_file wire worker_pool pdf_process page_nodes object_file pdf_file scan_file "
    "pdf frame render text_layer pages_ahead reading page_turn reading_order orphan_lines word_shares region_text "
    "table_cells structure analyzer analyze annotate markdown html json_text parquet_file page_store whole_file export "
    "batch cloud ledger bulk_process bulk_worker bulk_ray bulk_document bulk_display bulk_crew bulk bulk_command"
)
COST = "benchmark growth page_cost peers speed_report"  # of both training's and analysis's parts
CORPUS = "corpus"
TRUNKS = {
    trunk: tuple(f"layoutdeit.{name}" for name in names.split())
    for trunk, names in {
        "shared": SHARED,
        "data": DATA,
        "training": TRAINING,
        "analysis": ANALYSIS,
        "cost": COST,
        "corpus": CORPUS,
    }.items()
}

# Where alone a package may be imported; tests are free.
ONLY_IN = {
    "streamlit": ("app",),
    "detectron2": ("layoutdeit.engines.detectron2",),
    "timm": tuple(f"backbone.{name}" for name in "augment distill loop model_speed named_model optim train".split()),
    "transformers": ("layoutdeit.peers",),
    "typst": ("layoutdeit.corpus", "layoutdeit.growth"),
    "matplotlib": ("layoutdeit.growth",),
    "ray": ("layoutdeit.bulk_ray",),
    "fsspec": ("layoutdeit.cloud",),
    "pyarrow": ("layoutdeit.parquet_file",),
    "pycocotools": ("layoutdeit.outlines", "layoutdeit.coco_eval"),
    # what strangers made is parsed in a process that can be killed: these files run there, the corpus reads its own
    "pypdfium2": ("layoutdeit.pdf_file", "layoutdeit.render", "layoutdeit.text_layer", "layoutdeit.corpus"),
    "pdf2image": ("layoutdeit.render",),
    "pypdf": (
        *(f"layoutdeit.{name}" for name in "pdf_file scan_file page_nodes object_file annotate".split()),
        "layoutdeit.corpus",
    ),
}
PDF_PACKAGES = ("pypdfium2", "pdf2image", "pypdf")


def trunks_but(*names: str) -> tuple[str, ...]:
    """The files of all trunks but these."""
    return tuple(place for trunk, places in TRUNKS.items() if trunk not in names for place in places)


def assert_never_reach(trunk: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    """No file of a trunk imports anything forbidden, however indirectly."""
    ways = [way for name in sources() if is_in(name, trunk) for way in ways_to(name, forbidden)]
    assert not ways, "\n".join(ways)


def test_backbone_knows_nothing_of_documents():
    assert_never_reach(("backbone",), ("layoutdeit", "app", *PDF_PACKAGES))


def test_layoutdeit_knows_nothing_of_the_app():
    assert_never_reach(("layoutdeit",), ("app", "streamlit"))


def test_app_holds_no_model_code():
    """Direct imports only: through LayoutAnalyzer it reaches the model, as it should."""
    app = [source for source in sources().values() if is_in(source.name, ("app",))]
    wrong = {source.name: module for source in app for module in source.imports if is_in(module, ("backbone", "torch"))}
    assert not wrong


def test_every_file_of_layoutdeit_has_its_trunk():
    homeless = [name for name in sources() if is_in(name, ("layoutdeit",)) and not is_in(name, trunks_but())]
    assert homeless == ["layoutdeit"], f"add these to a trunk in {Path(__file__).name}: {homeless[1:]}"


def test_shared_files_lean_on_no_trunk():
    assert_never_reach(TRUNKS["shared"], (*trunks_but("shared"), *PDF_PACKAGES))


def test_training_never_touches_pdfs():
    assert_never_reach(TRUNKS["training"], (*trunks_but("shared", "data", "training"), *PDF_PACKAGES))


def test_analysis_never_touches_data_sets_or_coco():
    assert_never_reach(TRUNKS["analysis"], (*trunks_but("shared", "analysis"), "pycocotools", "lightning"))


def test_cost_is_measured_without_the_corpus():
    assert_never_reach(TRUNKS["cost"], TRUNKS["corpus"])


def test_corpus_needs_no_model():
    shared = ("layoutdeit.labels", "layoutdeit.geometry", "layoutdeit.upright_picture")
    allowed = (*TRUNKS["data"], *TRUNKS["corpus"], *shared)
    others = tuple(place for place in trunks_but("corpus") if place not in allowed)
    assert_never_reach(TRUNKS["corpus"], (*others, "backbone", "torch", "torchvision", "streamlit"))


def test_reading_data_sets_needs_no_model():
    shared = ("layoutdeit.labels", "layoutdeit.upright_picture")
    others = tuple(place for place in trunks_but("data") if place not in shared)
    assert_never_reach(TRUNKS["data"], (*others, "backbone", "torch", "torchvision", "lightning", *PDF_PACKAGES))


def test_whoever_opens_documents_parses_none():
    """annotate.py holds the parts of both sides, and takes pypdf inside the function that runs on the other."""
    packages = ("pypdfium2", "pdf2image", "layoutdeit.pdf_file", "layoutdeit.scan_file", "layoutdeit.pdf_process")
    assert_never_reach(("layoutdeit.pdf", "layoutdeit.worker_pool", "layoutdeit.source_file"), (*packages, "pypdf"))


@pytest.mark.parametrize("name", ["layoutdeit.geometry", "layoutdeit.postprocess"])
def test_boxes_need_only_numpy(name: str):
    others = {
        module for source in sources().values() for module in source.imports if not is_in(module, ("layoutdeit",))
    }
    standard = (*sys.stdlib_module_names, "numpy")
    assert_never_reach((name,), tuple(module for module in others if not is_in(module, standard)))


@pytest.mark.parametrize("package", ONLY_IN)
def test_package_is_imported_only_where_it_may_be(package: str):
    importers = [
        source.name for source in sources().values() if any(is_in(name, (package,)) for name in source.imports)
    ]
    wrong = [name for name in importers if not is_in(name, ONLY_IN[package])]
    assert not wrong, f"{package} is imported in {wrong}, allowed in {ONLY_IN[package]}"


def test_imports_have_no_circles():
    """Imports inside functions count too; only the lazy front door, layoutdeit/__init__.py, is passed by."""
    graph = {name: source.imports & sources().keys() for name, source in sources().items() if name != "layoutdeit"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
