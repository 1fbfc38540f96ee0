"""Channels file: read whole, or refused by one line with file, key, value and expectation."""

from pathlib import Path

import pytest

from bot.rules.channel_rules import ChannelRules, WhoMayAsk
from bot.rules.channels_file import MAX_FILE_BYTES, load_channels_file, parse_channels
from contract.job import Streaming
from contract.language import Language
from contract.settings import SettingsError

WHO = "everyone, list (with users), group (with a group) or none"
WHOLE = b"""
[channels.C0GENERAL1]
who = "list"
users = ["U0ADA00001"]
prompt = \"\"\"
Answer in Go.
\"\"\"
max_new_tokens = 64
temperature = 1
top_k = 0
top_p = 0.5
candidates = 3
without_mention = true
streaming = "off"
language = "zh_CN"
asked_before = true

[channels.C0RANDOM01]
"""


def describe_error(content: bytes) -> str:
    """Return the line about a wrong file."""
    with pytest.raises(SettingsError) as error:
        parse_channels(content, "channels.toml")
    return str(error.value)


def test_file_sets_each_rule() -> None:
    """All rules of Slack can be set in a file."""
    channels = parse_channels(WHOLE, "channels.toml")

    assert channels["C0GENERAL1"] == ChannelRules(
        who=WhoMayAsk.LIST,
        users=("U0ADA00001",),
        prompt="Answer in Go.\n",
        max_new_tokens=64,
        temperature=1,
        top_k=0,
        top_p=0.5,
        candidates=3,
        without_mention=True,
        streaming=Streaming.OFF,
        language=Language.CHINESE,
        asked_before=True,
    )
    assert channels["C0RANDOM01"].set_keys == frozenset()
    assert parse_channels(b"", "channels.toml") == {}


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ('who = "all"', f"who must be {WHO}, not 'all'"),
        ('who = "list"', f"who must be {WHO}, not 'list'"),
        ('users = "U1A"', "users must be a list of 1 to 100 ids of Slack users, not 'U1A'"),
        ('users = ["ada"]', "users must be a list of 1 to 100 ids of Slack users, not '['ada']'"),
        ("group = 1", "group must be the id of a user group, which starts with S, not '1'"),
        ("temperature = true", "temperature must be a number from 0 to 2, not 'True'"),
        ("temperature = nan", "temperature must be a number from 0 to 2, not 'nan'"),
        ("top_k = 1.5", "top_k must be a whole number from 0 to 1000, not '1.5'"),
        ("top_p = 2024-01-01", "top_p must be a number above 0 and at most 1, not '2024-01-01'"),
        ('without_mention = "yes"', "without_mention must be true or false, not 'yes'"),
        ('streaming = "on"', "streaming must be edits or off, not 'on'"),
        ('language = "zh-CN"', "language must be en or zh_CN, not 'zh-CN'"),
        (
            'prompt = "a secret\\u0000"',
            ("prompt must be text of at most 2000 characters without control characters, "
            "not the given one"),
        ),
    ],
)  # fmt: skip
def test_wrong_value_is_named_with_its_key(rule: str, line: str) -> None:
    """The operator finds the place at once; a prompt is not repeated."""
    found = describe_error(f"[channels.C0GENERAL1]\n{rule}\n".encode())

    assert found == f"channels.toml: channels.C0GENERAL1.{line}"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\xff", "channels.toml: must be UTF-8"),
        (b"x = 1", "channels.toml: x must be a table named channels.ID"),
        (b"channels = 1", "channels.toml: channels must be tables named channels.ID"),
        (
            b"[channels.D0DIRECT01]",
            (
                "channels.toml: channels.D0DIRECT01 must be the id of a channel, which starts with "
                "C or G"
            ),
        ),
        (b"[channels]\nC01 = 1", "channels.toml: channels.C01 must be a table of rules, not '1'"),
    ],
)
def test_wrong_structure_is_one_line(content: bytes, line: str) -> None:
    """The operator reads one sentence about any file."""
    assert describe_error(content) == line


def test_syntax_error_has_its_line() -> None:
    """As the parser tells it."""
    assert "must be TOML (" in describe_error(b"[channels.C01]\nwho = everyone\n")
    deep = describe_error(b"a = " + b"[" * 10_000)
    assert deep.startswith("channels.toml: must be TOML (")
    assert "\n" not in deep
    assert "at line 2" in describe_error(b"[channels.C01]\nwho = everyone\n")


def test_unknown_rule_is_answered_by_the_known_ones() -> None:
    """A long name is cut."""
    found = describe_error(b"[channels.C01]\n" + b"c" * 200 + b" = 1\n")

    assert found.startswith(f"channels.toml: channels.C01.{'c' * 60}… must be one of who, users, ")


def test_file_must_be_readable_and_bounded(tmp_path: Path) -> None:
    """A missing file is an error of the variable that names it."""
    path = tmp_path / "channels.toml"
    with pytest.raises(SettingsError, match=r"^STARCHAT_CHANNELS_FILE must name a readable file"):
        load_channels_file(str(path))
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(SettingsError, match=r"a file of at most 1048576 bytes"):
        load_channels_file(str(path))
    path.write_bytes(WHOLE)
    assert len(load_channels_file(str(path))) == 2
    assert load_channels_file("") == {}
