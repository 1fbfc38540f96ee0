"""Guesses: code without a label, and code with a wrong one."""

import pytest

from contract.code_languages import find_language
from testing.checked_replies import check_block
from worker.checks.guesses import guess_language
from worker.checks.python_code import PYTHON
from worker.render.model import CodeBlock

SHELL = "pip install requests\npython app.py\n"
SCRIPT = "import os\n\n\ndef f(x):\n    return os.path.join(x)\n"


def describe_block(text: str, tag: str = "") -> str:
    """Return the verdict on a block, as a reader sees it."""
    return str(check_block(CodeBlock(text, find_language(tag))).describe())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SCRIPT, f"looks like {PYTHON}: parses"),
        (SHELL, "looks like bash: parses"),
        ('{\n  "a": [1]\n}', "looks like json: parses"),
        ("package main\n\nfunc main() {\n}\n", "looks like go: parses"),
        ("steps:\n  - run: make\n  # more\n  - uses: a/b@v1\n", "looks like yaml: parses"),
        ("[tool.ruff]\nline-length = 100\n", "looks like toml: parses"),
        ("const x = require('x')\nx.f(() => 1)\n", "looks like javascript: parses"),
        ('{\n  "a": [1\n}', "code: not checked"),
        ("def f(:\n    pass\nimport os\n", "code: not checked"),
        ("Note: this is prose.\nAnother: line\n", "code: not checked"),
        ("hello\n", "code: not checked"),
        ("你好，世界\n", "code: not checked"),
        ("+---+\n| a |\n+---+\n", "code: not checked"),
        ("", "code: not checked"),
    ],
)
def test_code_without_a_label_is_guessed(text: str, said: str) -> None:
    """A guess is said as one, and only if its parser accepts the code."""
    assert describe_block(text) == said


def test_two_languages_that_fit_are_no_guess() -> None:
    """Marks that weigh as much leave it open."""
    assert guess_language("sudo x\nlet mut a = 1;\n") == ""


@pytest.mark.parametrize(
    ("text", "tag", "said"),
    [
        (SHELL, "python", "python: not checked"),
        (SCRIPT, "javascript", "javascript: not checked"),
        ('{"a": [1]}\n', "toml", "toml: not checked"),
        ("pip install (\n", "python", f"{PYTHON}: does not parse (line 1: '(' was never closed)"),
    ],
)
def test_wrong_label_is_not_relied_on(text: str, tag: str, said: str) -> None:
    """Code that parses in the language that it looks like is not called broken in another."""
    assert describe_block(text, tag) == said
