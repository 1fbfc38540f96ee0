"""Experimental parts: one section of the documents names them all."""

import re
from pathlib import Path

import pytest

import worker.settings

pytestmark = pytest.mark.unit

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
HEADING = "## Experimental: not yet run on a GPU\n"


def test_experimental_settings_are_named_in_one_section() -> None:
    """Each setting that its description calls experimental, and no name without a setting."""
    text = OPERATIONS.read_text("utf-8")
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    fields = worker.settings.Settings.model_fields
    experimental = {
        name.upper()
        for name, field in fields.items()
        if "experimental" in (field.description or "").lower()
    }
    named = set(re.findall(r"STARCHAT_[A-Z_]+", section))

    assert experimental <= named <= {name.upper() for name in fields}
    assert {"STARCHAT_COMPILE", "STARCHAT_CUDA_GRAPHS", "STARCHAT_QUANTIZATION"} == experimental
    assert "xperimental" not in text.replace(HEADING + section, ""), "in another section"
