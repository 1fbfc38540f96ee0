"""Admission control: whether a message is a question, a command, or not for the bot."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.messages import mrkdwn
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.message import BotIdentity
from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk


class ThreadMode(StrEnum):
    """How the bot participates in a thread; Redis stores the values."""

    AUTO = "auto"
    FOLLOW = "follow"
    MUTE = "mute"


class Verdict(StrEnum):
    """Decision about a message."""

    ANSWER = "answer"
    IGNORE = "ignore"
    EMPTY = "empty"
    HELP = "help"
    FOLLOW = "follow"
    MUTE = "mute"
    FORGET = "forget"
    STOP = "stop"
    RULES = "rules"
    CODE = "current_code"
    OUTSIDER = "outsider"
    UNVERIFIED = "unverified"
    NOT_ALLOWED = "not_allowed"
    CHANNEL_CLOSED = "channel_closed"
    GROUP_UNREADABLE = "group_unreadable"
    RULES_UNREADABLE = "rules_unreadable"


VERDICT_BY_COMMAND: Final = {
    "help": Verdict.HELP,
    "follow": Verdict.FOLLOW,
    "mute": Verdict.MUTE,
    "forget": Verdict.FORGET,
    "stop": Verdict.STOP,
    "rules": Verdict.RULES,
    "current code": Verdict.CODE,
}
CHINESE_COMMANDS: Final = {
    **dict.fromkeys(("帮助", "幫助"), "help"),
    **dict.fromkeys(("跟进", "跟進"), "follow"),
    **dict.fromkeys(("静音", "靜音"), "mute"),
    **dict.fromkeys(("忘记", "忘記"), "forget"),
    **dict.fromkeys(("停止", "停"), "stop"),
    **dict.fromkeys(("规则", "規則"), "rules"),
    **dict.fromkeys(("状态", "狀態"), "status"),
    **dict.fromkeys(("设置", "設定"), "settings"),
    **dict.fromkeys(("撤销", "復原"), "undo"),
    **dict.fromkeys(("提问", "提問"), "ask"),
    **dict.fromkeys(("当前代码", "目前代碼", "目前程式碼"), "current code"),
}
"""Commands in Chinese, with their English words. They count as a whole message only."""
RULES_QUESTION: Final = ("what", "are", "you", "told", "here")
"""Words that ask for a channel's rules, as the command `rules` does."""
MAX_COMMAND_CHARACTERS: Final = 200
"""Maximum length of a text that may be a command of several words."""
MAX_STOP_CHARACTERS: Final = 200
"""Maximum length of a message that may be the word `stop`, with its formatting and mentions."""


PUNCTUATION: Final = frozenset("\u200b>*_~`'\"“”‘’«».,:;!?¿¡…-–—()[]。，、；：！？（）【】「」《》")
"""Signs of which a message without words consists; others, such as `<=`, may be a question."""
EMOJI: Final = re.compile(r":[a-z0-9_+'-]{1,100}:")
WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may ask: listed bots (by any of their ids), people of other workspaces, guests."""

    allowed_bots: frozenset[str] = frozenset()
    allow_external: bool = False
    allow_guests: bool = True


def admit(
    post: MessagePosted,
    identity: BotIdentity,
    *,
    policy: Policy,
    mode: ThreadMode | None,
    num_people: int | None,
    rules: ChannelRules = DEFAULT_RULES,
) -> Verdict:
    """
    Decide about a new message; `refuse_asker` decides whether its author may ask in the channel.

    `mode` is `None` if the bot does not participate in the thread. `num_people` counts the people
    who have written in the thread; it is `None` if unknown. Of the channel's `rules`, only
    `without_mention` counts.
    """
    is_talk = rules.without_mention and is_channel_talk(post)
    if not (is_talk or _is_request(post, identity, policy, mode, num_people)):
        return Verdict.IGNORE
    if (post.is_external and not policy.allow_external) or (
        post.is_guest and not policy.allow_guests
    ):
        return Verdict.IGNORE if is_talk else Verdict.OUTSIDER
    # A forwarded message is a question, with or without a comment; what a form asks is no command.
    if post.has_attachments or post.asked is not None:
        return Verdict.ANSWER
    if not is_addressed(post, identity):
        return Verdict.ANSWER if post.text.strip() else Verdict.IGNORE
    verdict = parse_command(post.text, identity) or Verdict.ANSWER
    # Without a mention the word is a command only for a question that is open.
    has_mention = mentions_bot(post, identity)
    return Verdict.ANSWER if verdict is Verdict.STOP and not has_mention else verdict


def refuse_guest(*, is_guest: bool, is_resolved: bool) -> Verdict | None:
    """Return the verdict about an author who is a guest, or may be one; `None` for a member."""
    if is_guest:
        return Verdict.OUTSIDER
    return None if is_resolved else Verdict.UNVERIFIED


def refuse_asker(
    ids: AbstractSet[str], rules: ChannelRules, members: frozenset[str]
) -> Verdict | None:
    """
    Return the verdict about an author who may not ask by a channel's rules; `None` if allowed.

    `ids` are all of the author's, and `members` those of the rules' user group.
    """
    if rules.allows(ids, members):
        return None
    is_closed = rules.who is WhoMayAsk.NO_ONE
    return Verdict.CHANNEL_CLOSED if is_closed else Verdict.NOT_ALLOWED


def is_channel_talk(post: MessagePosted) -> bool:
    """Return whether a message is a person's new message to a channel, and mentions no user."""
    is_in_channel = post.channel_type is not ChannelType.IM and not post.is_thread_reply
    return post.can_ask and is_in_channel and not (post.bot_ids or post.mentions)


def mentions_bot(post: MessagePosted, identity: BotIdentity) -> bool:
    """Return whether the author of a message mentions the bot in it."""
    return identity.user_id in post.mentions


def is_addressed(post: MessagePosted, identity: BotIdentity) -> bool:
    """Return whether a message mentions the bot, or is a direct one: no thread decides that."""
    return post.channel_type is ChannelType.IM or mentions_bot(post, identity)


def parse_command(text: str, identity: BotIdentity) -> Verdict | None:
    """
    Return the verdict of a command; `None` if the text is for the model.

    Formatting, punctuation and mentions of the bot are no words of a command.
    """
    rest = mrkdwn.to_plain_text(mrkdwn.remove_mentions(text, identity.user_id), {})
    if all(sign.isspace() or sign in PUNCTUATION for sign in rest):
        return Verdict.EMPTY
    words = tuple(read_words(rest)) if len(rest) <= MAX_COMMAND_CHARACTERS else ()
    if words == RULES_QUESTION:
        return Verdict.RULES
    name = " ".join(words) or read_single_word(rest)
    return VERDICT_BY_COMMAND.get(CHINESE_COMMANDS.get(name, name))


def is_stop_word(text: str, identity: BotIdentity) -> bool:
    """Return whether a text is the word `stop` alone, with or without a mention of the bot."""
    return len(text) <= MAX_STOP_CHARACTERS and parse_command(text, identity) is Verdict.STOP


def read_single_word(text: str) -> str:
    """Return the only word of a text, in lower case; empty if it has none or several."""
    words = read_words(text)
    return words[0] if len(words) == 1 else ""


def read_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without emoji and punctuation."""
    return [str(word) for word in WORD.findall(EMOJI.sub(" ", text).casefold())]


def _is_request(
    post: MessagePosted,
    identity: BotIdentity,
    policy: Policy,
    mode: ThreadMode | None,
    num_people: int | None,
) -> bool:
    if not post.can_ask:
        return False
    has_mention = mentions_bot(post, identity)
    if post.bot_ids:
        return bool(post.bot_ids & policy.allowed_bots) and has_mention
    if post.channel_type is ChannelType.IM:
        return mode is not ThreadMode.MUTE or has_mention
    return has_mention or (post.is_thread_reply and _is_implicit_request(post, mode, num_people))


def _is_implicit_request(
    post: MessagePosted, mode: ThreadMode | None, num_people: int | None
) -> bool:
    if post.mentions:
        return False
    return mode is ThreadMode.FOLLOW or (mode is ThreadMode.AUTO and num_people == 1)
