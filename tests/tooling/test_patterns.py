"""
Patterns that mean the same in all supported Pythons.

Before 3.11.5, a possessive repeat of a group keeps what its last, failed repetition had read
(python/cpython#106052 and #100061). A possessive repeat of a character or a class is safe.
"""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "contract", "fakeslack", "finetune", "worker")
FAULTY = re.compile(r"\)(?:[*?+]|\{\{?\d*,?\d*\}?\})\+|\(\?>")
"""A possessive repeat behind a group, in plain and in formatted strings, or an atomic group."""


@pytest.mark.parametrize(
    "pattern", ["(?:ab)*+", "(a|bc)?+", "(?:a++b)++", "(?:a b){1,3}+", "(?:a b){{0,3}}+", "(?>a*)b"]
)
def test_faulty_forms_are_found(pattern: str) -> None:
    """With any number of repeats."""
    assert FAULTY.search(pattern)


@pytest.mark.parametrize("pattern", ["[ab]*+c", "(?:[ab]++c)*", "a{2,3}+", "(?:ab)+", "(?:ab){2}"])
def test_safe_forms_pass(pattern: str) -> None:
    """Parts of a group may be possessive, so that its own repeat takes linear time."""
    assert not FAULTY.search(pattern)


def test_no_group_is_repeated_possessively() -> None:
    """In all sources of the product."""
    sources = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    assert len(sources) > 300, "else they are not found"
    faulty = {
        f"{file.relative_to(ROOT)}:{number}"
        for file in sources
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if FAULTY.search(line)
    }
    assert not faulty, "Python before 3.11.5 reads these wrongly: repeat the group greedily"
