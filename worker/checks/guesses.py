"""Guesses: the language of code without a label, by words that few other languages have."""

import re
from collections import Counter
from typing import Final

MAX_CHARACTERS: Final = 4_000
"""Beginning of the code by which it is guessed."""
MIN_WEIGHT: Final = 2
"""Weight of the marks that make a guess: a sure one, or two others."""
_ROWS: Final = (
    ("bash", 2, r"^\$ \w|^#!.*\b(?:ba|z)?sh\b|^(?:sudo|apt-get|brew install) "),
    ("bash", 2, r"^(?:pip3?|npm|yarn|cargo|go) (?:install|i|run|add|get|init|test|build)\b"),
    ("bash", 2, r"^git (?:clone|add|commit|push|pull|checkout|status|log|rebase)\b"),
    ("bash", 2, r"^(?:docker|kubectl|curl|wget|chmod|mkdir) [\w$/.-]|^export [A-Z_]+="),
    ("bash", 1, r"^(?:cd|ls|cat|rm|cp|mv|source) [\w./~-]+$"),
    ("bash", 2, r"; then$|; do$|^(?:fi|esac)$"),
    ("c", 2, r"^#include <(?:std\w+|string|unistd|math)\.h>"),
    ("c", 1, r"\bprintf\(|\bint main\("),
    ("cpp", 3, r"\bstd::|^#include <(?:iostream|vector|string|map|memory)>"),
    ("cpp", 1, r"\bcout <<|\bint main\("),
    ("csharp", 2, r"^using System\b|\bConsole\.Write|\{ get; (?:init|set|private)"),
    ("css", 2, r"^[.#@]?[\w-][^\n{};]*\{\n[ \t]+[a-z-]+: [^\n]*;$"),
    ("go", 2, r"^func (?:\(\w+ \*?\w+\) )?\w+[(\[]|\bfmt\.(?:Print|Errorf|Sprint)"),
    ("go", 1, r"^package \w+$"),
    ("go", 1, r"\w := (?:range\b|make\(|&?\w+[{(]|map\[)"),
    ("go", 2, r"\bif err != nil \{$"),
    ("haskell", 2, r"^module [A-Z][\w.]* .*where|^main :: IO|^import qualified "),
    ("haskell", 1, r"^\w+ :: .*->"),
    ("html", 2, r"<!DOCTYPE html|<(?:html|body|div|script|table|form)\b[^\n]*>"),
    ("java", 2, r"^import java|\bSystem\.out\.|\bpublic static void main"),
    (
        "java",
        1,
        r"^[ \t]*(?:public|private|protected) (?:static |final )*\w+[\w<>\[\]]* \w+ ?[({=;]",
    ),
    ("javascript", 2, r"\bconsole\.log\(|\brequire\(['\"]|^import [^\n]* from ['\"]|=== "),
    ("javascript", 2, r"^[ \t]*(?:const|let) [\w{\[][^\n]* = |\bdocument\.\w+"),
    ("javascript", 1, r"=> ?[{(\w]|^(?:async )?function \w+\("),
    ("julia", 2, r"^using (?:LinearAlgebra|DataFrames|Plots|Flux|Statistics)\b"),
    ("kotlin", 2, r"^[ \t]*(?:suspend |override |private )*fun [\w.<>]+\(|^data class "),
    ("lua", 2, r"^[ \t]*local (?:function )?\w+"),
    ("php", 3, r"<\?php|^[ \t]*\$\w+ = [^\n]*;$"),
    ("python", 2, r"^[ \t]*(?:async )?def \w+\([^\n]*:$|^from [\w.]+ import |^[ \t]*elif [^\n]*:$"),
    ("python", 2, r"^import \w[\w.]*(?: as \w+)?$|^[ \t]*except\b[^\n]*:$|^if __name__ == "),
    ("python", 2, r"^class \w+(?:\([\w., ]*\))?:$|^[ \t]*(?:for|with) [^\n]* (?:in|as) [^\n]*:$"),
    ("python", 1, r"^[ \t]*print\(|^[ \t]*return [^\n;{]+$|^\w+ = [^\n;{]+$"),
    (
        "ruby",
        2,
        r"^[ \t]*(?:puts|require|attr_\w+) [:'\"\w]|\bdo \|\w|^[ \t]*def \w+[?!]?(?:\([^\n:]*\))?$",
    ),
    ("rust", 2, r"\bfn \w+[(<][^\n]*\{$|\blet mut "),
    ("rust", 2, r"\bprintln!\(|^use \w+::|\bimpl\b[^\n]*\{$"),
    ("scala", 2, r"^object \w+|^case class |^import scala\."),
    ("swift", 2, r"^import (?:SwiftUI|UIKit|Foundation)$|\bguard let |\bfunc \w+\([^\n]*\) -> "),
    ("toml", 3, r"^\[[\w.\"-]+\]\n(?:#[^\n]*\n|\n)*[\w.-]+ = "),
    ("typescript", 3, r"^(?:export )?(?:interface|type) \w+[^\n]*[{=]"),
    ("typescript", 2, r"[\w)?]: (?:string|number|boolean|any|void|Promise<)[\w\[\]<>]*[,;)= {]"),
    ("xml", 3, r"\A[ \t]*<\?xml |\A[ \t]*<(?:project|dependency|configuration|manifest|svg)\b"),
)
_MARKS: Final = tuple(
    (name, weight, re.compile(mark, re.MULTILINE)) for name, weight, mark in _ROWS
)
_YAML_LINE: Final = re.compile(r" *(?:- \S.*|(?:- )?[\w./-]+:(?: [^;]*)?)")
_YAML_NESTED: Final = re.compile(r" +(?:- |[\w./-]+:)|- [\w./-]+:")
_JSON_START: Final = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]])")


def guess_language(text: str) -> str:
    """Return the language whose marks weigh most; empty if there are few, or two weigh as much."""
    text = text[:MAX_CHARACTERS]
    if _JSON_START.match(text):
        return "json"
    if _is_like_yaml(text):
        return "yaml"
    weights = Counter[str]()
    for name, weight, mark in _MARKS:
        if mark.search(text):
            weights[name] += weight
    (first, most), (_, second) = [*weights.most_common(2), ("", 0), ("", 0)][:2]
    return first if most >= MIN_WEIGHT and most > second else ""


def _is_like_yaml(text: str) -> bool:
    """Whether each line is a key or an item, and one is nested: prose has colons, too."""
    lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    has_nested = any(_YAML_NESTED.match(line) for line in lines)
    return has_nested and len(lines) > 1 and all(_YAML_LINE.fullmatch(line) for line in lines)
