"""Conversation: the turns of a thread up to the question, built from its messages."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from bot.messages import mrkdwn
from bot.messages.admission import is_stop_word, parse_command
from bot.messages.message import AuthorKind, BotIdentity, Message
from contract.attached_files import MAX_FILES_PER_THREAD, FileReference
from contract.conversation import Conversation, Speaker, Turn, order_turns

CODE_FENCE: Final = "```"
MAX_POINTER_CHARACTERS: Final = 200
"""Longest excerpt of the message that a question is about; the thread has all of it."""
MAX_POINTER_SOURCE: Final = 2_000


def users_to_resolve(
    messages: Iterable[Message], *, until: str, identity: BotIdentity
) -> tuple[str, ...]:
    """
    Return the ids of the users whose names the conversation needs, the most important first.

    These are all authors if there are at least two, then all mentioned users, newest first.
    """
    before = sorted((m for m in messages if m.ts <= until), key=lambda m: m.ts, reverse=True)
    people = [m for m in before if m.kind is not AuthorKind.REPLY]
    has_several_authors = len({m.author for m in people}) > 1
    authors = [m.author for m in people if m.kind is AuthorKind.PERSON and has_several_authors]
    mentioned = [user for m in people for user in sorted(_find_mentions(m, identity))]
    return tuple(dict.fromkeys(authors + mentioned))


def count_people(messages: Iterable[Message]) -> int:
    """Count the people who wrote in a thread, without bots."""
    return len({m.author for m in messages if m.kind is AuthorKind.PERSON})


def build_conversation(
    messages: Iterable[Message], *, until: str, identity: BotIdentity, names: Mapping[str, str]
) -> Conversation:
    """Return the turns up to the message at `until`, each reply directly after its question."""
    display_names = {identity.user_id: identity.name, **names}
    before = sorted((m for m in messages if m.ts <= until), key=lambda m: m.ts)
    has_several_authors = len({m.author for m in before if m.kind is not AuthorKind.REPLY}) > 1
    pointers = {m.ts: _point_to_message(m, before, display_names) for m in before if m.about}
    spoken = [
        build_turn(
            m,
            identity,
            display_names,
            with_name=has_several_authors,
            pointer=pointers.get(m.ts, ""),
        )
        for m in before
        if m.ts == until or not (m.kind is AuthorKind.REPLY or is_command(m, identity))
    ]
    turns = (*spoken, *build_replies(before))
    shown = tuple(t for t in turns if t.text.strip() or t.files or t.ts == until)
    return limit_files(order_turns(shown, until=until))


def limit_files(conversation: Conversation) -> Conversation:
    """Keep the references of `MAX_FILES_PER_THREAD` files, the newest turns' first; name others."""
    remaining = MAX_FILES_PER_THREAD
    turns: list[Turn] = []
    for turn in reversed(conversation):
        kept, others = turn.files[:remaining], turn.files[remaining:]
        remaining -= len(kept)
        turns.append(_name_files(turn, kept, others) if others else turn)
    return tuple(reversed(turns))


def _name_files(
    turn: Turn, kept: tuple[FileReference, ...], others: tuple[FileReference, ...]
) -> Turn:
    names = [f"(attached file: {reference.label})" for reference in others]
    update = {
        "text": "\n".join([turn.text, *names]).lstrip("\n"),
        "files": kept,
        "files_left_out": turn.files_left_out + len(others),
    }
    return turn.model_copy(update=update)


def truncate_oldest(conversation: Conversation, max_bytes: int) -> Conversation:
    """Drop the oldest turns until the JSON has at most `max_bytes`; keep the last turn."""
    remaining_bytes = max_bytes
    turns: list[Turn] = []
    for turn in reversed(conversation):
        remaining_bytes -= len(turn.model_dump_json().encode())
        if turns and remaining_bytes < 0:
            break
        turns.append(turn)
    return tuple(reversed(turns))


def is_command(message: Message, identity: BotIdentity) -> bool:
    """Return whether a message is a command to the bot, as `follow`, and not for the model."""
    is_alone = not (message.files or message.references or message.attachments)
    is_for_bot = identity.user_id in mrkdwn.find_mentions(message.text)
    is_command_text = is_for_bot and parse_command(message.text, identity) is not None
    return is_alone and (is_command_text or is_stop_word(message.text, identity))


def _find_mentions(message: Message, identity: BotIdentity) -> set[str]:
    return {user for user in mrkdwn.find_mentions(message.all_text) if user != identity.user_id}


def _point_to_message(
    question: Message, before: Iterable[Message], names: Mapping[str, str]
) -> str:
    """Return words that tell which of several messages a question is about."""
    earlier = [m for m in before if m.ts < question.ts]
    found = next((m for m in earlier if m.ts == question.about), None)
    if found is None or len(earlier) == 1:
        return ""
    text = mrkdwn.to_plain_text(found.all_text[:MAX_POINTER_SOURCE], names)
    excerpt = " ".join(text.split())[:MAX_POINTER_CHARACTERS]
    return f'(about the message "{excerpt}")\n' if excerpt else ""


def build_turn(
    message: Message,
    identity: BotIdentity,
    names: Mapping[str, str],
    *,
    with_name: bool,
    pointer: str = "",
) -> Turn:
    """
    Return the turn of one message; `with_name` is whether it names its author.

    `pointer` tells which message it is about.
    """
    text = mrkdwn.to_plain_text(
        mrkdwn.strip_leading_mention(message.all_text, identity.user_id), names
    ).rstrip()
    text = f"{pointer}{text}"
    for file in message.files:
        text = f"{text}\n(attached file: {file})".lstrip("\n")
    name = message.name
    if with_name and message.kind is AuthorKind.PERSON:
        name = names.get(message.author, message.author)
    return Turn(speaker=Speaker.USER, text=text, ts=message.ts, name=name, files=message.references)


def build_replies(messages: Sequence[Message]) -> tuple[Turn, ...]:
    """Return a turn for each reply, from the messages of its parts."""
    # A reply to a deleted question would repeat what its author has taken back.
    questions = {m.ts for m in messages if m.kind is not AuthorKind.REPLY}
    replies = [m for m in messages if m.kind is AuthorKind.REPLY and m.question_ts in questions]
    # The sort is stable: of two messages with the same part, the later attempt stays last.
    replies.sort(key=lambda m: (m.question_ts or "", m.part))
    found = []
    for question, parts in groupby(replies, key=lambda m: m.question_ts):
        whole = list({part.part: part for part in parts}.values())
        found.append(
            Turn(
                speaker=Speaker.ASSISTANT,
                text=join_parts([part.text for part in whole]),
                ts=whole[0].ts,
                in_reply_to=question,
            )
        )
    return tuple(found)


def join_parts(parts: Iterable[str]) -> str:
    """Join the parts of a reply; rejoin a code block that was split between two parts."""
    text = ""
    for part in parts:
        text = _join_code_fence(text, part) or (f"{text}\n\n{part}" if text else part)
    return text


def _join_code_fence(text: str, part: str) -> str | None:
    first, _, rest = part.partition("\n")
    fence = _find_last_fence(text)
    if fence is None or not rest or fence != first:
        return None
    return f"{text.removesuffix(CODE_FENCE)}{rest}"


def _find_last_fence(text: str) -> str | None:
    """Return the opening line of the code block at the end of the text."""
    fences = [line for line in text.split("\n") if line.startswith(CODE_FENCE)]
    if len(fences) % 2 or len(fences) < 2 or not text.endswith(f"\n{CODE_FENCE}"):  # noqa: PLR2004
        return None
    return fences[-2]
