"""The project's own source as data: every file parsed, with what it imports. Read by the tests of the house's plan."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("backbone", "layoutdeit", "app")


@dataclass(frozen=True)
class Source:
    """One Python file: its dotted name, its syntax tree and the modules it imports, at the top or inside functions."""

    name: str
    path: Path
    tree: ast.Module
    imports: frozenset[str]


@cache
def sources() -> dict[str, Source]:
    """Every source file by its dotted name, a package by its own; tests are no source files."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    trees = {dotted_name(path): (path, ast.parse(path.read_text())) for path in files}
    return {
        name: Source(name, path, tree, frozenset(imported_modules(tree, set(trees))))
        for name, (path, tree) in trees.items()
    }


def dotted_name(path: Path) -> str:
    """`layoutdeit/engines/__init__.py` -> `layoutdeit.engines`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """Modules that run when this one does; imports for type checkers only are left out."""
    for node in walk_without_type_checking(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full, not relative"
            for (
                alias
            ) in node.names:  # `from layoutdeit import pdf` names a file, `from layoutdeit.pdf import x` does not
                full = f"{node.module}.{alias.name}"
                yield full if full in own else str(node.module)


def walk_without_type_checking(node: ast.AST) -> Iterator[ast.AST]:
    """As ast.walk, but not into `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from walk_without_type_checking(child)


def is_in(module: str, places: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of the places or lies inside one."""
    return any(module == place or module.startswith(f"{place}.") for place in places)


def ways_to(start: str, forbidden: tuple[str, ...]) -> list[str]:
    """The chains of imports that lead from a source file to something forbidden, directly or through our own files."""
    found, seen, chains = [], {start}, [[start]]
    while chains:
        chain = chains.pop()
        for module in sorted(sources()[chain[-1]].imports):
            if is_in(module, forbidden):
                found.append(" -> ".join([*chain, module]))
            elif module in sources() and module not in seen:
                seen.add(module)
                chains.append([*chain, module])
    return found
