"""Pure: is this message a turn for us, a command, or none of our business?"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.messages import mrkdwn
from bot.messages.events import Place, Posted
from bot.messages.identity import Me


class Mode(StrEnum):
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


COMMANDS: Final = {
    "": Verdict.EMPTY,
    "help": Verdict.HELP,
    "follow": Verdict.FOLLOW,
    "mute": Verdict.MUTE,
    "forget": Verdict.FORGET,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may ask: other bots by any of their ids, people of other workspaces, guests."""

    bots: frozenset[str] = frozenset()
    external: bool = False
    guests: bool = True


def decide(
    post: Posted, me: Me, *, policy: Policy, mode: Mode | None, people: int | None
) -> Verdict:
    """
    Decide about a new message.

    `mode` is how the bot takes part in the thread, `None` if it does not. `people` is how many
    people have written in the thread, `None` where nobody knows.
    """
    if not _calls(post, me, policy, mode, people):
        return Verdict.IGNORE
    if (post.external and not policy.external) or (post.guest and not policy.guests):
        return Verdict.OUTSIDER
    if not named(post, me) and post.place is not Place.DIRECT:
        return Verdict.ANSWER if post.text.strip() else Verdict.IGNORE
    return command(post.text, me) or Verdict.ANSWER


def named(post: Posted, me: Me) -> bool:
    """Say whether a message is for the bot: named, and not turned to somebody else at its front."""
    front = mrkdwn.addressed(post.text)
    return me.user in (front or mrkdwn.mentioned(post.text))


def command(text: str, me: Me) -> Verdict | None:
    """Return what a text asks the bot itself to do; `None` if it is for the model."""
    said = mrkdwn.unaddressed(text, me.user).strip().rstrip(".!?").lower()
    return COMMANDS.get(said)


def _calls(post: Posted, me: Me, policy: Policy, mode: Mode | None, people: int | None) -> bool:
    if not post.asks:
        return False
    if post.bots:
        return bool(post.bots & policy.bots) and named(post, me)
    if post.place is Place.DIRECT:
        return mode is not Mode.MUTE or named(post, me)
    return named(post, me) or (post.in_thread and _followed(post, mode, people))


def _followed(post: Posted, mode: Mode | None, people: int | None) -> bool:
    if mrkdwn.mentioned(post.text):
        return False
    return mode is Mode.FOLLOW or (mode is Mode.AUTO and people == 1)
