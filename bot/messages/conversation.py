"""Pure: the messages of a thread become the conversation that ends with the message that asks."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from bot.messages import mrkdwn
from bot.messages.admission import command
from bot.messages.identity import Me
from bot.messages.message import Kind, Message
from contract.conversation import Conversation, Speaker, Turn, order_turns

FENCE: Final = "```"


def strangers(messages: Iterable[Message], *, until: str, me: Me) -> frozenset[str]:
    """
    Return the ids of the people whose names the conversation needs.

    That is everybody who wrote, if more than one did, and everybody whom a text mentions.
    """
    before = [m for m in messages if m.ts <= until]
    needed = {user for m in before if m.kind is not Kind.REPLY for user in _mentioned(m, me)}
    authors = {m.author for m in before if m.kind is not Kind.REPLY}
    if len(authors) > 1:
        needed |= {m.author for m in before if m.kind is Kind.PERSON}
    return frozenset(needed)


def people(messages: Iterable[Message]) -> int:
    """Count the people who wrote in a thread; bots are not people."""
    return len({m.author for m in messages if m.kind is Kind.PERSON})


def build(
    messages: Iterable[Message], *, until: str, me: Me, names: Mapping[str, str]
) -> Conversation:
    """Return the turns up to the message at `until`, each reply right behind its question."""
    known = {me.user: me.name, **names}
    before = sorted((m for m in messages if m.ts <= until), key=lambda m: m.ts)
    several = len({m.author for m in before if m.kind is not Kind.REPLY}) > 1
    said = [
        _said(m, me, known, named=several)
        for m in before
        if m.ts == until or not (m.kind is Kind.REPLY or told(m, me))
    ]
    turns = (*said, *_replies(before))
    return order_turns(tuple(t for t in turns if t.text.strip() or t.ts == until), until=until)


def fitting(conversation: Conversation, most: int) -> Conversation:
    """Leave out the oldest turns until the texts have at most `most` bytes; the last one stays."""
    room = most
    kept: list[Turn] = []
    for turn in reversed(conversation):
        room -= len(turn.model_dump_json().encode())
        if kept and room < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept))


def told(message: Message, me: Me) -> bool:
    """Say whether the message told the bot itself something, as `follow`, and not the model."""
    addressed = me.user in mrkdwn.addressed(message.text)
    return addressed and not message.files and command(message.text, me) is not None


def _mentioned(message: Message, me: Me) -> set[str]:
    return {user for user in mrkdwn.mentioned(message.text) if user != me.user}


def _said(message: Message, me: Me, names: Mapping[str, str], *, named: bool) -> Turn:
    text = mrkdwn.plain(mrkdwn.unaddressed(message.text, me.user), names).rstrip()
    for file in message.files:
        text = f"{text}\n(attached file: {file})".lstrip("\n")
    name = message.name
    if named and message.kind is Kind.PERSON:
        name = names.get(message.author, message.author)
    return Turn(speaker=Speaker.USER, text=text, ts=message.ts, name=name)


def _replies(messages: Sequence[Message]) -> tuple[Turn, ...]:
    # A reply whose question was deleted would only repeat what somebody took back.
    asked = {m.ts for m in messages if m.kind is not Kind.REPLY}
    replies = [m for m in messages if m.kind is Kind.REPLY and m.answers in asked]
    # Stable: two messages of one part can only be an earlier and a later try, in that order.
    replies.sort(key=lambda m: (m.answers or "", m.part))
    found = []
    for question, parts in groupby(replies, key=lambda m: m.answers):
        whole = list({part.part: part for part in parts}.values())
        found.append(
            Turn(
                speaker=Speaker.ASSISTANT,
                text=_joined([part.text for part in whole]),
                ts=whole[0].ts,
                in_reply_to=question,
            )
        )
    return tuple(found)


def _joined(parts: Iterable[str]) -> str:
    """Join the parts of a reply; a code block that was split between two becomes one again."""
    text = ""
    for part in parts:
        text = _sewn(text, part) or (f"{text}\n\n{part}" if text else part)
    return text


def _sewn(text: str, part: str) -> str | None:
    first, _, rest = part.partition("\n")
    opened = _last_fence(text)
    if opened is None or not rest or opened != first:
        return None
    return f"{text.removesuffix(FENCE)}{rest}"


def _last_fence(text: str) -> str | None:
    """Return the line that opened the code block with which the text ends."""
    fences = [line for line in text.split("\n") if line.startswith(FENCE)]
    if len(fences) % 2 or len(fences) < 2 or not text.endswith(f"\n{FENCE}"):  # noqa: PLR2004
        return None
    return fences[-2]
