"""Promises every file keeps: short, named for a thing, tested, described, harmless, and quick to start."""

from __future__ import annotations

import ast
import importlib.metadata
import itertools
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_tree import PACKAGES, ROOT, Source, is_in, sources

MAX_LINES = 299
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "core", "registry", "registries", "plugins"}
HEAVY = {"torch", "torchvision", "streamlit", "lightning", "timm", "typst", "pycocotools", "matplotlib", "pandas"}

# What typeset.py puts on a page: families, templates and their parts, all set by its tests.
PARTS_OF_A_MADE_PAGE = (
    "charts contact_sheet diagrams floats front_matter house_style journal_families pictures prose running_heads "
    "running_text svg_marks tables templates vocabulary"
)
OF_TAGGED_PAGES = "annotate drawn_xobjects page_objects page_tree"
OF_DETECTRON2 = "data launch model settings solver"
# Source files whose promises are tested under another name: a concept split over files has one test file.
TESTED_IN = {
    "backbone.config": "test_config.py",
    "backbone.key_names": "test_conversion.py",
    "layoutdeit.annotation_report": "test_page_annotations.py",
    "layoutdeit.engines.base": "test_torchvision_engine.py",
    "layoutdeit.engines.batch_mean": "test_train_processes.py",
    "layoutdeit.analyzer": "test_analyze.py",
    "layoutdeit.bulk_process": "test_bulk_worker.py",
    **{f"layoutdeit.engines.detectron2.{name}": "test_detectron2_tools.py" for name in OF_DETECTRON2.split()},
    **{f"layoutdeit.{name}": "test_pdf.py" for name in "pdf_error pdf_file source_file".split()},
    **{f"layoutdeit.corpus.{name}": "test_corpus_tagged_pdf.py" for name in OF_TAGGED_PAGES.split()},
    **{f"layoutdeit.corpus.{name}": "test_corpus_typeset.py" for name in PARTS_OF_A_MADE_PAGE.split()},
}


def python_files() -> list[Path]:
    """All our Python files, tests too."""
    return [path for folder in (*PACKAGES, "tests") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_every_file_is_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in python_files()}
    long = {name: length for name, length in lengths.items() if length > MAX_LINES}
    assert not long, f"split by concept: {long}"


def test_no_file_or_folder_has_a_vague_name():
    vague = [str(path) for path in python_files() if VAGUE_NAMES & {*path.relative_to(ROOT).with_suffix("").parts}]
    assert not vague, f"name the concept: {vague}"


def test_every_file_has_a_test_file():
    stems = Counter(name.rpartition(".")[2] for name in sources())
    tests = {path.name for path in (ROOT / "tests").glob("test_*.py")}
    modules = [source for source in sources().values() if not source.path.name.startswith("__")]
    untested = [source.name for source in modules if not tests & names_of_its_test(source, stems)]
    assert not untested, f"write tests/test_<name>.py for {untested}, or name their test file in TESTED_IN"


def names_of_its_test(source: Source, stems: Counter[str]) -> set[str]:
    """Names a source's test file may have; where files share a name, the short one is that of layoutdeit's own."""
    folder, stem = source.path.parent.name, source.path.stem
    names = {f"test_{folder}_{stem}.py", TESTED_IN.get(source.name, "")}
    if stems[stem] == 1 or folder == "layoutdeit":
        names.add(f"test_{stem}.py")
    if folder == "app":
        names.add("test_app.py")
    return names


def test_tested_in_names_files_that_exist():
    assert not TESTED_IN.keys() - sources().keys()
    assert not [name for name in TESTED_IN.values() if not (ROOT / "tests" / name).exists()]


def test_everything_public_has_a_docstring():
    bare = [
        f"{source.name}.{getattr(node, 'name', '')}"
        for source in sources().values()
        for node in public_definitions(source.tree)
        if not ast.get_docstring(node)
    ]
    assert not bare, bare


def public_definitions(node: ast.Module | ast.ClassDef) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef]:
    """The module or class itself, and the public functions and classes directly inside."""
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_definitions(child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield child


def test_nothing_unpickles_or_runs_text():
    found = [f"{source.name}:{node.lineno}" for source in sources().values() for node in dangers(source.tree)]
    assert not found, found


def dangers(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that load pickles (torch.load without weights_only included), open a shell, or evaluate text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            if {alias.name.partition(".")[0] for alias in node.names} & {"pickle", "dill", "cloudpickle"}:
                yield node
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}  # naming the error is harmless
            if node.module in ("pickle", "dill", "cloudpickle") and names != {"UnpicklingError"}:
                yield node
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            unpickles = called == "torch.load" and options.get("weights_only") != "True"
            unsafe = any(options.get(name, "False") != "False" for name in ("shell", "allow_pickle"))
            if unpickles or unsafe or called in ("eval", "exec", "os.system"):
                yield node


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "subprocess.run(line, shell=True)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
    ],
)
def test_dangers_are_seen(text: str):
    assert list(dangers(ast.parse(text)))


def test_every_imported_package_is_declared():
    """Whatever a fresh install lacks would fail on a fresh machine only."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[\[<>=~! ]", requirement)[0].lower().replace("_", "-") for requirement in declared}
    known = {*sys.stdlib_module_names, *PACKAGES, "detectron2"}  # detectron2 is on no package index
    imported = {module.partition(".")[0] for source in sources().values() for module in source.imports} - known
    distributions = importlib.metadata.packages_distributions()
    undeclared = [
        name
        for name in sorted(imported)
        if not declared & {d.lower().replace("_", "-") for d in distributions.get(name, [name])}
    ]
    assert not undeclared


@pytest.mark.parametrize("package", PACKAGES[:2])
def test_import_is_instant(package: str):
    assert heavy_modules_after(f"import {package}") == set()


def commands() -> list[str]:
    """The modules a person runs with python -m."""
    runnable = [name for name, source in sources().items() if "__name__ == '__main__'" in ast.unparse(source.tree)]
    runnable += [name for name, source in sources().items() if source.path.name == "__main__.py"]
    return sorted({name.removesuffix(".__main__") for name in runnable if not is_in(name, ("app",))})


@pytest.mark.parametrize("command", commands())
def test_help_is_instant(command: str):
    run = f"sys.argv = ['x', '--help']; runpy.run_module({command!r}, run_name='__main__', alter_sys=True)"
    assert heavy_modules_after(f"import runpy\ntry: {run}\nexcept SystemExit as done: assert not done.code") == set()


def heavy_modules_after(code: str) -> set[str]:
    """Run code in a fresh Python and return the heavy packages it imported."""
    code = f"import sys\n{code}\nprint('modules', *sys.modules, file=sys.stderr)"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert process.returncode == 0, process.stderr
    return HEAVY & set(process.stderr.splitlines()[-1].split())
