"""Names that code uses: packages in install commands, and imports of JavaScript."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_LINE_CHARACTERS: Final = 1_000
"""A longer line holds data."""
INSTALL_COMMAND: Final = re.compile(
    r"""
    ^[ \t]*+ (?:[$>%!]|PS>|C:\\>)? [ \t]*+ (?:sudo[ \t]++)?
    (?:[\w./]*?python[\d.]*+[ \t]++-m[ \t]++)?
    (?: (?P<pypi> pip[\d.]*+[ \t]++install | pipx[ \t]++install | uv[ \t]++(?:pip[ \t]++install|add)
                | poetry[ \t]++add | pdm[ \t]++add | pipenv[ \t]++install )
      | (?P<npm> npm[ \t]++(?:install|i|add) | yarn[ \t]++(?:global[ \t]++)?add
               | pnpm[ \t]++(?:install|i|add) | bun[ \t]++add )
    ) [ \t]++ (?P<arguments> \S.*+ )
    """,
    re.VERBOSE,
)
END_OF_COMMAND: Final = re.compile(r"[;|&]|(?<=\s)(?:\#|\d?[<>](?=[\s&/]))")
OPTIONS_WITH_VALUE: Final = frozenset(
    {"-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-i", "--index-url"}
    | {"--extra-index-url", "-f", "--find-links", "-t", "--target", "--prefix", "--python"}
    | {"--timeout", "--tag", "--filter", "-F", "--optional", "--source", "--proxy", "--retries"}
    | {"--registry", "-w", "--workspace", "--group", "-G", "--platform", "--python-version"}
)
PYPI_NAME: Final = re.compile(
    r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?:\[[\w,. -]*\])?(?:[=<>!~@;].*)?"
)
NPM_NAME: Final = re.compile(r"((?:@[a-z0-9~][\w.~-]*/)?[a-z0-9~][\w.~-]*)(?:@.*)?")
JS_IMPORT: Final = re.compile(
    r"""
    (?:^|[\s;(=]) (?: (?:from|import)[ \t]* | (?:require|import)[ \t]*\([ \t]* )
    (["']) ([^"'\s]{1,120}) \1
    """,
    re.VERBOSE,
)
JS_BUILT_IN: Final = frozenset(
    {
        *("assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants"),
        *("crypto", "dgram", "dns", "domain", "events", "fs", "http", "http2", "https"),
        *("inspector", "module", "net", "os", "path", "perf_hooks", "process", "punycode"),
        *("querystring", "readline", "repl", "stream", "string_decoder", "sys", "timers", "tls"),
        *("trace_events", "tty", "url", "util", "v8", "vm", "wasi", "worker_threads", "zlib"),
    }
)
"""Modules of Node.js that are in no package."""


@dataclass(frozen=True, slots=True)
class NameUse:
    """A name in a line of code; `registry` names the list that it should be in."""

    registry: str
    name: str
    line: int


def list_installs(text: str) -> Iterator[NameUse]:
    """Yield the packages that commands in the text install."""
    for number, line in enumerate(text.splitlines(), 1):
        found = INSTALL_COMMAND.match(line) if len(line) <= MAX_LINE_CHARACTERS else None
        if found:
            registry = "pypi" if found["pypi"] else "npm"
            for name in _list_arguments(registry, found["arguments"]):
                yield NameUse(registry, name, number)


def list_javascript_imports(text: str) -> Iterator[NameUse]:
    """Yield the packages that JavaScript or TypeScript imports."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_LINE_CHARACTERS or line.lstrip().startswith(("//", "*")):
            continue
        for found in JS_IMPORT.finditer(line):
            parts = found[2].split("/")
            name = "/".join(parts[: 2 if parts[0].startswith("@") else 1])
            is_package = NPM_NAME.fullmatch(name) and not name.startswith("~")
            if is_package and name not in JS_BUILT_IN:
                yield NameUse("npm", name, number)


def _list_arguments(registry: str, arguments: str) -> Iterator[str]:
    pattern = PYPI_NAME if registry == "pypi" else NPM_NAME
    words = _split_words(END_OF_COMMAND.split(arguments)[0])
    is_value = False
    for word in words:
        if is_value or word.startswith("-"):
            is_value = not is_value and word in OPTIONS_WITH_VALUE
            continue
        found = pattern.fullmatch(word)
        if found and not _is_file(registry, word):
            yield found[1]


def _split_words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote without an end
        return []


def _is_file(registry: str, word: str) -> bool:
    """Whether an argument names a file or a directory instead of a package."""
    endings = (".whl", ".gz", ".tgz", ".zip", ".txt", ".toml", ".git", ".js", ".py")
    return word.endswith(endings) and not (registry == "npm" and word.endswith(".js"))
