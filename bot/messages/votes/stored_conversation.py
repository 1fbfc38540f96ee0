"""Conversation of a voted reply for the database: as the worker's prompts have it, without ids."""

from collections.abc import Iterable

from bot.messages import mrkdwn
from bot.messages.conversation import build_conversation
from bot.messages.message import AuthorKind, BotIdentity, Message
from contract.conversation import Speaker


def describe_conversation(
    messages: Iterable[Message], *, until: str, identity: BotIdentity
) -> list[dict[str, str]]:
    """
    Return the turns up to the question at `until`: role, text, and of a user a number as the name.

    People who are mentioned alone have numbers too.
    """
    before = sorted((m for m in messages if m.ts <= until), key=lambda m: m.ts)
    authors = {m.ts: m.author for m in before if m.kind is not AuthorKind.REPLY}
    mentioned = (user for m in before for user in mrkdwn.find_mentions(m.all_text))
    people = dict.fromkeys((*authors.values(), *mentioned))
    people.pop(identity.user_id, None)
    names = {user: f"User {number}" for number, user in enumerate(people, 1)}
    turns = build_conversation(before, until=until, identity=identity, names=names)
    return [
        {"role": str(turn.speaker), "text": turn.text}
        | ({"user": names[authors[turn.ts]]} if turn.speaker is Speaker.USER else {})
        for turn in turns
    ]
