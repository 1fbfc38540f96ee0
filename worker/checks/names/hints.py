"""Hints about names in a block of code that are in no list, or that a library has changed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from worker.checks.names.name_lists import NameLists, normalize_pypi_name
from worker.checks.names.placeholders import is_placeholder
from worker.checks.names.python_uses import LOCAL, DottedName, list_dotted_names
from worker.checks.names.uses import NameUse, list_installs, list_javascript_imports

MAX_HINTS: Final = 4
"""Hints about one block."""
MAX_NAME_CHARACTERS: Final = 80
PYTHON: Final = "python"
SHELLS: Final = frozenset({"bash", "console", "shell", "powershell", "dockerfile"})
"""Languages in which a line may install a package; prose has such words too."""
IMPORT: Final = "import"
CHANGED: Final = "changed"
NEWER: Final = "newer"


@dataclass(frozen=True, slots=True)
class NameHint:
    """
    A name to check.

    `kind` is the list that lacks it: `pypi`, `npm`, `import` (PyPI, by the name of a module) or
    `python` (the standard library). For a name that was `changed`, `since` and `use` say more. A
    package that is `newer` than the model exists `since` a year. For all others, `date` is that of
    the list.
    """

    kind: str
    name: str
    line: int
    date: str = ""
    since: str = ""
    use: str = ""


def find_name_hints(language: str, text: str, lists: NameLists) -> tuple[NameHint, ...]:
    """Return hints about a block, each name once; none about code that is nested too deep."""
    firsts: dict[str, NameHint] = {}
    try:
        for hint in _find_all(language, text, lists):
            if len(hint.name) <= MAX_NAME_CHARACTERS:
                firsts.setdefault(hint.name, hint)
    except (MemoryError, RecursionError):
        return ()
    return tuple(sorted(firsts.values(), key=lambda hint: hint.line)[:MAX_HINTS])


def _find_all(language: str, text: str, lists: NameLists) -> Iterator[NameHint]:
    if language in SHELLS:
        yield from _check_packages(list_installs(text), lists)
    list_hints = LANGUAGES.get(language)
    if list_hints is not None:
        yield from list_hints(text, lists)


def _check_javascript(text: str, lists: NameLists) -> Iterator[NameHint]:
    return _check_packages(list_javascript_imports(text), lists)


def _check_packages(uses: Iterable[NameUse], lists: NameLists) -> Iterator[NameHint]:
    for use in uses:
        name = normalize_pypi_name(use.name) if use.registry == "pypi" else use.name
        if use.registry == "pypi" and name in lists.first_years:
            yield NameHint(NEWER, use.name, use.line, since=lists.first_years[name])
        elif name not in lists.packages[use.registry] and not is_placeholder(use.name):
            yield NameHint(use.registry, use.name, use.line, lists.dates[use.registry])


def _check_python(text: str, lists: NameLists) -> Iterator[NameHint]:
    for found in list_dotted_names(text):
        if not found.name.startswith((LOCAL, "_")):
            yield from _check_dotted_name(found, lists, text)


def _check_dotted_name(found: DottedName, lists: NameLists, text: str) -> Iterator[NameHint]:
    parts = found.name.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    for prefix in prefixes:
        if prefix in lists.changes:
            change = lists.changes[prefix]
            yield NameHint(CHANGED, prefix, found.line, since=change.since, use=change.use)
            return
    top = parts[0]
    if top in lists.modules:
        module = next(prefix for prefix in prefixes if prefix in lists.modules)
        rest = parts[len(module.split(".")) :]
        if rest and not rest[0].startswith("_") and rest[0] not in lists.modules[module]:
            yield NameHint(PYTHON, f"{module}.{rest[0]}", found.line, lists.dates[PYTHON])
    elif found.is_import and not is_placeholder(top) and f"{top}.py" not in text:
        yield from _check_import(top, found.line, lists)


def _check_import(top: str, line: int, lists: NameLists) -> Iterator[NameHint]:
    """Check a top-level module that is neither Python's nor a file of the reader."""
    package = normalize_pypi_name(top)
    if package in lists.first_years:
        yield NameHint(NEWER, top, line, since=lists.first_years[package])
    elif top not in lists.import_names and package not in lists.packages["pypi"]:
        yield NameHint(IMPORT, top, line, lists.dates["pypi"])


LANGUAGES: Final[Mapping[str, Callable[[str, NameLists], Iterator[NameHint]]]] = MappingProxyType(
    {
        "python": _check_python,
        "javascript": _check_javascript,
        "typescript": _check_javascript,
    }
)
