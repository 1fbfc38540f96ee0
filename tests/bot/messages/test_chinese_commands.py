"""Commands in Chinese: the bare word alone, and never a question in Chinese."""

import pytest

from bot.messages.admission import (
    CHINESE_COMMANDS,
    VERDICT_BY_COMMAND,
    Verdict,
    is_stop_word,
    parse_command,
)
from testing.slack_events import BOT_IDENTITY

MENTION = f"<@{BOT_IDENTITY.user_id}>"


@pytest.mark.parametrize("word", CHINESE_COMMANDS)
def test_each_word_is_its_english_command(word: str) -> None:
    """Punctuation, formatting and a mention are no words."""
    expected = VERDICT_BY_COMMAND.get(CHINESE_COMMANDS[word])

    for text in (word, f"{MENTION} {word}", f"{MENTION}{word}。", f"*{word}*!", f" {word} "):
        assert parse_command(text, BOT_IDENTITY) is expected


@pytest.mark.parametrize(
    "text",
    [
        "怎么停止服务？",
        "停止服务",
        "停止 nginx",
        "帮助我写一个排序",
        "帮我",
        "规则引擎怎么写",
        "忘记 密码 怎么办",
        "请 停止",
        "设置 python 环境",
    ],
)
def test_question_in_chinese_is_for_the_model(text: str) -> None:
    """A word inside a sentence is no command, with spaces around it or without."""
    assert parse_command(f"{MENTION} {text}", BOT_IDENTITY) is None


def test_punctuation_alone_is_empty() -> None:
    """The bot then offers its help."""
    assert parse_command(f"{MENTION}？！", BOT_IDENTITY) is Verdict.EMPTY


def test_stop_works_in_both_languages() -> None:
    """The word alone stops a reply, with or without a mention."""
    assert is_stop_word("停止", BOT_IDENTITY)
    assert is_stop_word(f"{MENTION} stop", BOT_IDENTITY)
    assert not is_stop_word("停止服务", BOT_IDENTITY)
    assert parse_command("停！", BOT_IDENTITY) is Verdict.STOP
