"""Replies with code, from the text of the model to the line below it; each has its expectation."""

import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.code_verdicts import describe_verdicts
from testing.checked_replies import compose_checked
from worker.checks.python_code import PYTHON
from worker.render import ReplyFacts

FACTS = ReplyFacts("m", "stop", 256)
SAMPLES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("samples.toml").read_text("utf-8"))
MIN_SAMPLES = 200
LAYOUTS: dict[str, Callable[[str, str], str]] = {
    "in prose": lambda code, tag: f"Try this:\n\n```{tag}\n{code}\n```\n\nIt should work.",
    "with CRLF": lambda code, tag: f"Try:\n```{tag}\n{code}\n```\n".replace("\n", "\r\n"),
    "in Chinese prose": lambda code, tag: f"可以这样写：\n~~~~{tag} 文件\n{code}\n~~~~\n请试一试。",
    "in a list": lambda code, tag: (
        "1. Open the file:\n\n"
        + textwrap.indent(f"```{tag}\n{code}\n```\n", "   ")
        + "\n2. Save it."
    ),
    "in a quote": lambda code, tag: textwrap.indent(f"```{tag}\n{code}\n```", "> ", lambda _: True),
}


def describe_reply(text: str) -> str:
    """Return the line about the code of a reply."""
    return str(describe_verdicts(compose_checked(text, facts=FACTS).verdicts))


def list_samples(language: str) -> dict[str, str]:
    """Return the samples of a language, and what is said about each."""
    found = SAMPLES[language]
    said = dict.fromkeys(found["good"], "parses")
    said |= {code: f"does not parse ({why})" for code, why in found["broken"]}
    said |= dict.fromkeys(found["sketch"], "not checked")
    return {code.rstrip("\n"): words for code, words in said.items()}


def name_language(language: str, said: str) -> str:
    """Return what a verdict calls a language: that of a parser with a version has it."""
    return PYTHON if language == "python" and said != "not checked" else language


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", SAMPLES)
def test_code_gets_its_verdict_in_each_layout(language: str, layout: str) -> None:
    """Line ends, containers and words around a block do not change what its parser says."""
    samples = list_samples(language)

    lines = {code: describe_reply(LAYOUTS[layout](code, language)) for code in samples}

    assert lines == {
        code: f"{name_language(language, said)}: {said}" for code, said in samples.items()
    }


@pytest.mark.parametrize("language", SAMPLES)
def test_code_without_an_end_is_unfinished(language: str) -> None:
    """What a limit cut off is not judged."""
    lines = {describe_reply(f"Try:\n```{language}\n{code}") for code in list_samples(language)}

    assert lines == {f"{language}: unfinished, not checked"}


def test_there_are_many_replies() -> None:
    """Each sample is a reply in six layouts."""
    assert sum(len(list_samples(language)) for language in SAMPLES) >= MIN_SAMPLES


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("No code at all, only `inline` code.", ""),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ""),
        ("```python\n```", ""),
        ("```\n\n\n```", ""),
        ("    x = 1\n    y = 2\n", "code: not checked"),
        ("```py\nx = 1\n```", f"{PYTHON}: parses"),
        ("```Python3\nx = 1\n```", f"{PYTHON}: parses"),
        ('```python title="a.py"\nx = 1\n```', f"{PYTHON}: parses"),
        ("```python:a.py\nx = 1\n```", f"{PYTHON}: parses"),
        ("```{.python}\nx = 1\n```", f"{PYTHON}: parses"),
        ("```py\n\tx = 1\n\ty = 2\n```", f"{PYTHON}: parses"),
        ("```python\n# 中文注释\n名 = '值'\n```", f"{PYTHON}: parses"),
        ("```python\nx = \u201c值\u201d\n```",
         f"{PYTHON}: does not parse (line 1: a character that is not allowed there)"),
        ("```python\nx =\u202e 1\n```",
         f"{PYTHON}: does not parse (line 1: a character that is not allowed there)"),
        ("```python\nx = 1\n```\n```python\ny = 2\n```", f"{PYTHON}: parses ×2"),
        ("```python\nx = 1\n```\n```bash\nls\n```", f"{PYTHON}: parses · bash: parses"),
        ("````markdown\n```python\nx = (\n```\n````", "markdown: not checked"),
        ("```jsx\nconst a = <b>c</b>;\n```", "javascript: parses"),
        ("```tsx\nconst a: B = <b>c</b>;\n```", "typescript: parses"),
        ("```sh\necho hi\n```", "bash: parses"),
        ("```c++\nint x = 1;\n```", "cpp: parses"),
        ("```c#\nvar x = 1;\n```", "csharp: parses"),
        ("```svg\n<svg/>\n```", "xml: parses"),
        ("```yml\na: 1\n```", "yaml: parses"),
        ("```sql\nSELECT 1;\n```", "sql: not checked"),
        ("```text\nanything (\n```", "code: not checked"),
        ("```frobnicate\nx = (\n```", "code: not checked"),
        ("```console\n$ ls\n```", "console: not checked"),
        ("```diff\n-a\n+b\n```", "diff: not checked"),
        ("```\nnpm install x\n```", "looks like bash: parses"),
        ('```\nfn main() {\n    println!("x");\n}\n```', "looks like rust: parses"),
        ("```\n<!DOCTYPE html>\n<html></html>\n```", "looks like html: parses"),
        ('```\n#include <stdio.h>\nint main() { printf("x"); }\n```', "looks like c: parses"),
        ('```\nTraceback (most recent call last):\n  File "a.py"\n```', "code: not checked"),
        ("```\nproject/\n├── a.py\n└── b/\n```", "code: not checked"),
        ("```bash\nimport os\nprint(os.name)\n```", "bash: not checked"),
        ("```python\n$ pip install x\n```", "python: not checked"),
        ('```java\n{"a": [1,\n2]}\n```', "java: not checked"),
        ("```python\n" + "x = 1\n" * 4_000 + "```", f"{PYTHON}: parses"),
        ("```json\n[" + "1, " * 20_000 + "1]\n```", "json: parses"),
        ("```python\n" + "(" * 4_000 + "\n```", "python: not checked"),
        ("```json\n" + "[" * 40_000 + "\n```", "json: not checked"),
        ("```javascript\n" + "{" * 4_000 + "\n```",
         "javascript: does not parse (line 1: '{' was never closed)"),
        ("```xml\n" + "<a>" * 4_000 + "\n```", "xml: does not parse (line 1: it ends too early)"),
        ("```xml\n<!DOCTYPE a [<!ENTITY b '" + "c" * 999 + "'>]><a>&b;&b;</a>\n```",
         "xml: not checked"),
        ("```yaml\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n```", "yaml: parses"),
        ("```yaml\na: !!python/object/apply:os.system ['x']\n```", "yaml: parses"),
        ("```python\n" + "9" * 10_000 + "\n```", "python: not checked"),
        ("```toml\na = " + "9" * 10_000 + "\n```", "toml: not checked"),
        ("```json\n" + "9" * 10_000 + "\n```", "json: not checked"),
    ],
)  # fmt: skip
def test_special_replies(reply: str, said: str) -> None:
    """Tags, guesses, wrong labels, Chinese, tabs, very long code and hostile code."""
    assert describe_reply(reply) == said
