"""Names of files: what people and the model write before code, as safe relative paths."""

import re
from typing import Final

from contract.code_languages import find_language, is_known_tag

MAX_NAME_CHARACTERS: Final = 120
MAX_LABEL_CHARACTERS: Final = 200
"""Longest line that may be the name of a file."""
PART: Final = re.compile(r"[\w+@.()\[\]][\w+@.()\[\] -]*+")
"""Part of a path. It begins with no hyphen, which programs read as an option."""
UNUSUAL: Final = re.compile(r"[^\w+@.()\[\] -]")
EXTENSION: Final = re.compile(r"\.([A-Za-z0-9+]{1,12})\Z")
WHOLE_NAMES: Final = frozenset({"Dockerfile", "Makefile", "Jenkinsfile", "Vagrantfile", "Gemfile"})
OTHER_EXTENSIONS: Final = frozenset(
    {"bat", "cfg", "conf", "csproj", "env", "gitignore", "less", "lock", "properties", "vue"}
)
"""Extensions that name no language."""
PRODUCTS: Final = frozenset(
    {
        *("angular.js", "backbone.js", "chart.js", "d3.js", "discord.js", "electron.js"),
        *("ember.js", "express.js", "nest.js", "next.js", "node.js", "nuxt.js", "p5.js"),
        *("react.js", "socket.io", "three.js", "vue.js"),
    }
)
"""Names of libraries that look like names of files."""
LABEL: Final = re.compile(
    r"""[ \t]*+(?:\#|//|--|;++|%|/\*++|<!--)[ \t]*+
    (?P<word>(?:file(?:[ ]?name)?|path|title)[ \t]*+[:=][ \t]*+)?
    (?P<mark>[`"'*]{0,2})(?P<name>[^`"'*<>]{1,120}?)(?P=mark):?
    [ \t]*(?:\*/|-->)?[ \t]*\r?\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""A comment that is the name of a file and nothing else."""
ATTRIBUTE: Final = re.compile(r"""(?:file(?:name)?|path|title)\s*+=\s*+["']?([^"'\s{}]{1,120})""")


def clean_name(text: str) -> str:
    """Return a relative path without `..`, with `/`; empty if the text names no file."""
    parts = [part.strip() for part in text.strip().replace("\\", "/").split("/")]
    kept = [part for part in parts if part.strip(".")]
    name = "/".join(kept)
    if not kept or len(name) > MAX_NAME_CHARACTERS or kept[-1] != parts[-1]:
        return ""
    if not all(PART.fullmatch(part) for part in kept) or kept[-1].casefold() in PRODUCTS:
        return ""
    return name if kept[-1] in WHOLE_NAMES or _has_known_extension(kept[-1]) else ""


def clean_posted_name(text: str) -> str:
    """Return the name of a file in Slack as a safe one; empty if it has no known extension."""
    return clean_name(UNUSUAL.sub("_", text.rpartition("/")[2])[-MAX_NAME_CHARACTERS:].lstrip("-"))


def read_label(line: str) -> str:
    """Return the file that the first line of code names in a comment; empty if it names none."""
    found = LABEL.match(line) if len(line) <= MAX_LABEL_CHARACTERS else None
    if found is None or (" " in found["name"].strip() and not found["word"]):
        return ""
    return clean_name(found["name"])


def read_info(tag: str, rest: str) -> str:
    """Return the file that a fence names behind its language; empty if it names none."""
    found = ATTRIBUTE.search(rest[:MAX_LABEL_CHARACTERS])
    words = rest.split()
    return clean_name(found[1] if found else words[0] if len(words) == 1 else tag)


def find_extension(name: str) -> str:
    """Return the extension of a name, in lower case; empty if it has none."""
    found = EXTENSION.search(name)
    return found[1].lower() if found else ""


def _has_known_extension(name: str) -> bool:
    extension = find_extension(name)
    is_known = is_known_tag(extension) and find_language(extension).name != ""
    return bool(extension) and (is_known or extension in {"txt", *OTHER_EXTENSIONS})
