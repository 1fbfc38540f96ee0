"""Pure: is this message a turn for us, a command, or none of our business?"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.messages import mrkdwn
from bot.messages.events import ChannelType, MessagePosted
from bot.messages.identity import BotIdentity


class ThreadMode(StrEnum):
    """How the bot takes part in a thread; the values are what Redis holds."""

    AUTO = "auto"
    FOLLOW = "follow"
    MUTE = "mute"


class Verdict(StrEnum):
    """What happens with a message."""

    ANSWER = "answer"
    IGNORE = "ignore"
    EMPTY = "empty"
    HELP = "help"
    FOLLOW = "follow"
    MUTE = "mute"
    FORGET = "forget"
    OUTSIDER = "outsider"


VERDICT_BY_COMMAND: Final = {
    "": Verdict.EMPTY,
    "help": Verdict.HELP,
    "follow": Verdict.FOLLOW,
    "mute": Verdict.MUTE,
    "forget": Verdict.FORGET,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may ask: other bots by any of their ids, people of other workspaces, guests."""

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
) -> Verdict:
    """
    Decide about a new message.

    `mode` is how the bot takes part in the thread, `None` if it does not. `people` is how many
    people have written in the thread, `None` where nobody knows.
    """
    if not _is_request(post, identity, policy, mode, num_people):
        return Verdict.IGNORE
    if (post.is_external and not policy.allow_external) or (
        post.is_guest and not policy.allow_guests
    ):
        return Verdict.OUTSIDER
    if not is_for_bot(post, identity) and post.channel_type is not ChannelType.IM:
        return Verdict.ANSWER if post.text.strip() else Verdict.IGNORE
    return parse_command(post.text, identity) or Verdict.ANSWER


def is_for_bot(post: MessagePosted, identity: BotIdentity) -> bool:
    """Say whether a message is for the bot: named, and not turned to somebody else at its front."""
    leading = mrkdwn.find_leading_mentions(post.text)
    return identity.user_id in (leading or mrkdwn.find_mentions(post.text))


def parse_command(text: str, identity: BotIdentity) -> Verdict | None:
    """Return what a text asks the bot itself to do; `None` if it is for the model."""
    words = mrkdwn.strip_leading_mention(text, identity.user_id).strip().rstrip(".!?").lower()
    return VERDICT_BY_COMMAND.get(words)


def _is_request(
    post: MessagePosted,
    identity: BotIdentity,
    policy: Policy,
    mode: ThreadMode | None,
    num_people: int | None,
) -> bool:
    if not post.can_ask:
        return False
    if post.bot_ids:
        return bool(post.bot_ids & policy.allowed_bots) and is_for_bot(post, identity)
    if post.channel_type is ChannelType.IM:
        return mode is not ThreadMode.MUTE or is_for_bot(post, identity)
    return is_for_bot(post, identity) or (
        post.is_thread_reply and _is_implicit_request(post, mode, num_people)
    )


def _is_implicit_request(
    post: MessagePosted, mode: ThreadMode | None, num_people: int | None
) -> bool:
    if mrkdwn.find_mentions(post.text):
        return False
    return mode is ThreadMode.FOLLOW or (mode is ThreadMode.AUTO and num_people == 1)
