"""Snippets that are labelled unsafe or safe, and what the safety rules find in them."""

import tomllib
from dataclasses import dataclass
from typing import Final

from testing.environment import REPOSITORY
from worker.checks.safety.hints import find_safety_hints

LABELLED_SNIPPETS: Final = (
    REPOSITORY / "tests" / "worker" / "checks" / "safety" / "labelled_snippets.toml"
)
LANGUAGES: Final = ("python", "javascript", "bash", "java", "go")


@dataclass(slots=True)
class RuleCounts:
    """Snippets of a rule: `found` of the `unsafe` ones have its hint, `false` of the `safe` any."""

    unsafe: int = 0
    found: int = 0
    safe: int = 0
    false: int = 0


def count_hints() -> dict[str, RuleCounts]:
    """Return the counts of each rule of the labelled snippets."""
    counts: dict[str, RuleCounts] = {}
    for rule in tomllib.loads(LABELLED_SNIPPETS.read_text("utf-8"))["rule"]:
        count = counts.setdefault(rule["name"], RuleCounts())
        for language in LANGUAGES:
            snippets = rule.get(language, {"unsafe": [], "safe": []})
            for text in snippets["unsafe"]:
                rules = {hint.rule for hint in find_safety_hints(language, text)}
                count.unsafe += 1
                count.found += rule["name"] in rules
            for text in snippets["safe"]:
                count.safe += 1
                count.false += bool(find_safety_hints(language, text))
    return counts
