"""Composer encoding: typed text to Slack's stored text."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeslack.state.composer import Composer, escape_control_characters
from testing.in_memory_workspace import InMemoryWorkspace


def composer() -> Composer:
    """A composer that knows the workspace's names."""
    workspace = InMemoryWorkspace().workspace
    return Composer(workspace.people.values(), workspace.channels.values())


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("@StarChat hi", "<@U0STARCHAT> hi"),
        ("@starchat, @Ada!", "<@U0STARCHAT>, <@U0ADA00001>!"),
        ("@channel @here", "<!channel> <!here>"),
        ("#general #nowhere", "<#C0GENERAL1|general> #nowhere"),
        ("ada@ada.example @Adam @Ada-x", "ada@ada.example @Adam @Ada-x"),
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("see https://a.example/x?y=1&z=2.", "see <https://a.example/x?y=1&amp;z=2>."),
        ("(https://a.example/x)", "(<https://a.example/x>)"),
        ("`@Ada` @Ada", "`@Ada` <@U0ADA00001>"),
        ("```\n@Ada <b>\nhttps://a.example\n```", "```\n@Ada &lt;b&gt;\n<https://a.example>\n```"),
    ],
)
def test_typed_text_is_encoded_as_slack_stores_it(typed: str, kept: str) -> None:
    """Names and URLs are marked and control characters escaped; code keeps its names."""
    assert composer().encode_text(typed) == kept


@given(st.text(st.characters(exclude_characters="@#:")))
def test_escaping_is_reversible(text: str) -> None:
    """Plain text is unchanged after unescaping."""
    assert composer().encode_text(text) == escape_control_characters(text)
    assert html.unescape(escape_control_characters(text)) == text


@given(st.text())
def test_only_known_names_and_urls_become_tokens(text: str) -> None:
    """For any text, `<` and `>` enclose only known names and URLs."""
    for token in re.findall(r"<([^>]*)>", composer().encode_text(text)):
        assert token.startswith(("@U0", "#C0", "!", "http"))
