"""All checks of one block of code."""

from dataclasses import asdict
from typing import Any

from worker.checks.findings import GUESSED
from worker.checks.names.hints import find_name_hints
from worker.checks.names.name_lists import load_name_lists
from worker.checks.parsers import check_code
from worker.checks.safety.hints import find_safety_hints


def check_block(language: str, text: str) -> dict[str, Any]:
    """Return what the checks find, in the fields of `worker.render.model.BlockFindings`."""
    finding = check_code(language, text)
    if finding.kind == GUESSED:
        # Without the version: "python 3.11".
        language = finding.code.partition(" ")[0]
    return {
        "verdict": asdict(finding),
        "risks": [asdict(hint) for hint in find_safety_hints(language, text)],
        "names": [asdict(hint) for hint in find_name_hints(language, text, load_name_lists())],
    }
