"""The page's fonts, on machines that have few of them."""

import re

from fakeslack.ui.page import STATIC_DIRECTORY


def test_no_font_list_names_an_emoji_font() -> None:
    """An emoji font has digits, `#` and a blank, and would draw them wherever it is named."""
    styles = [file.read_text("utf-8") for file in STATIC_DIRECTORY.rglob("*.css")]

    assert styles
    assert not [
        found for text in styles for found in re.findall(r'"[^"]*emoji[^"]*"', text, re.IGNORECASE)
    ]
