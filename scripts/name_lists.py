"""
Lists of names for the checks, in `worker/checks/names/data`; prints what changed.

`python -m scripts.name_lists --pypi FILE --npm FILE --date 2026-11` reads package names, one in the
first column of each line. The modules of Python's standard library come from this interpreter and
from typeshed's stubs in mypy (names of all versions and platforms).
"""

import argparse
import ast
import importlib
import io
import json
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from worker.checks.names.name_filter import NameFilter
from worker.checks.names.name_lists import DATA_DIRECTORY, normalize_pypi_name

NORMALIZERS: Final[dict[str, Callable[[str], str]]] = {"pypi": normalize_pypi_name, "npm": str}
ABOUT: Final = DATA_DIRECTORY / "about.json"
MODULES: Final = DATA_DIRECTORY / "python_modules.json"
SHOWN_NAMES: Final = 20
SKIPPED_MODULES: Final = frozenset(
    {"antigravity", "this", "idlelib", "turtledemo", "test", "__main__"}
)
"""Modules that do something when they are imported, and tests."""


def main() -> None:
    """Write the lists that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m scripts.name_lists", description=__doc__)
    for registry in NORMALIZERS:
        parser.add_argument(f"--{registry}", type=Path, help=f"names of {registry}'s packages")
    parser.add_argument("--date", required=True, help="when the names were listed: 2026-11")
    options = parser.parse_args()
    about = json.loads(ABOUT.read_text("utf-8")) if ABOUT.exists() else {}
    for registry in NORMALIZERS:
        if names_file := getattr(options, registry):
            about[registry] = write_filter(registry, names_file, options.date)
    about["python"] = write_modules(options.date)
    ABOUT.write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def write_filter(registry: str, names_file: Path, date: str) -> dict[str, str | int]:
    """Write the filter of a registry's names; return what is said about it."""
    lines = names_file.read_text("utf-8").splitlines()
    names = {NORMALIZERS[registry](line.split("\t")[0].strip()) for line in lines[1:]} - {""}
    file = DATA_DIRECTORY / f"{registry}.bin"
    former = NameFilter(file.read_bytes() if file.exists() else b"")
    new = sorted(name for name in names if name not in former)
    print(f"{registry}: {len(names)} names, {len(new)} are new: {', '.join(new[:SHOWN_NAMES])}")
    file.write_bytes(NameFilter.build(names))
    return {"date": date, "names": len(names), "licence": "names are facts, without a licence"}


def write_modules(date: str) -> dict[str, str | int]:
    """Write the standard library's modules, each on a line; return what is said about them."""
    found: dict[str, set[str]] = {}
    for name, names in (*_introspect_modules(), *_read_stubs()):
        found.setdefault(name, set()).update(one for one in names if not one.startswith("_"))
    for name in list(found):  # a submodule is an attribute too
        parent, _, child = name.rpartition(".")
        if parent:
            found.setdefault(parent, set()).add(child)
    former = json.loads(MODULES.read_text("utf-8")) if MODULES.exists() else {}
    modules = {name: " ".join(sorted(names)) for name, names in sorted(found.items())}
    changed = [name for name in modules if modules[name] != former.get(name)]
    print(
        f"python: {len(modules)} modules, {len(changed)} changed: {' '.join(changed[:SHOWN_NAMES])}"
    )
    MODULES.write_text(json.dumps(modules, indent=0) + "\n", "utf-8")
    version = ".".join(map(str, sys.version_info[:2]))
    return {
        "date": date,
        "modules": len(modules),
        "version": version,
        "licence": "PSF-2.0; Apache-2.0",
    }


def _introspect_modules() -> Iterator[tuple[str, list[str]]]:
    warnings.simplefilter("ignore")
    printed = io.StringIO()
    for name in sorted(_list_modules()):
        # An error: a module of another platform, for example.
        with redirect_stdout(printed), redirect_stderr(printed), suppress(Exception):
            yield name, dir(importlib.import_module(name))


def _list_modules() -> Iterator[str]:
    for name in sys.stdlib_module_names - SKIPPED_MODULES:
        if name.startswith("_") and name != "__future__":
            continue
        yield name
        spec = find_spec(name)
        places = (spec and spec.submodule_search_locations) or []
        for inner in pkgutil.walk_packages(places, f"{name}."):
            parts = inner.name.split(".")
            if not any(part.startswith("_") or part in {"test", "tests"} for part in parts):
                yield inner.name


def _read_stubs() -> Iterator[tuple[str, set[str]]]:
    mypy = find_spec("mypy")
    if mypy is None or mypy.origin is None:
        return
    root = Path(mypy.origin).parent / "typeshed" / "stdlib"
    for file in sorted(root.rglob("*.pyi")):
        parts = [
            part for part in file.relative_to(root).with_suffix("").parts if part != "__init__"
        ]
        if parts and not any(part.startswith("_") and part != "__future__" for part in parts):
            yield ".".join(parts), set(_list_names(_parse_stub(file), (root, file.parent)))


def _parse_stub(file: Path) -> list[ast.stmt]:
    return ast.parse(file.read_text("utf-8")).body


def _list_names(body: list[ast.stmt], folders: tuple[Path, Path]) -> Iterator[str]:
    """
    Yield the names that a stub defines, on any version and platform.

    `folders` are those of absolute and of relative imports.
    """
    for node in body:
        yield from _list_star_names(node, folders)
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names if alias.name != "*")
            case ast.If(body=inner, orelse=other):
                yield from _list_names([*inner, *other], folders)


def _list_star_names(node: ast.stmt, folders: tuple[Path, Path]) -> Iterator[str]:
    """Yield the names of a module that a stub imports as a whole."""
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and node.module:
        path = folders[bool(node.level)] / node.module.replace(".", "/")
        for file in (path.with_suffix(".pyi"), path / "__init__.pyi"):
            if file.is_file():
                yield from _list_names(_parse_stub(file), (folders[0], file.parent))


if __name__ == "__main__":
    main()
