"""Sentences around a reply, the context blocks that hold them, and messages instead of a reply."""

from collections.abc import Sequence
from typing import Final

from contract import queue_eta
from contract.reply_rules import MAX_PROMPT_TOKENS
from contract.stop import select_text_blocks
from contract.texts import MODEL_LOADING, describe_stop
from worker.render.model import CutReason, Json, Message, ReplyFacts
from worker.render.sanitize import escape_fallback

WRITING: Final = "writing …"
EMPTY_REPLY: Final = "The model returned an empty reply. Please rephrase your question."
STOPPED: Final = "An operator stopped this reply."
STOPPED_AT_CONTROL: Final = (
    "The reply was cut where the model wrote one of its control tokens as text. Ask me to continue."
)
STOPPED_AT_TURN: Final = "The reply was cut where the model went on in another person's name."
STOPPED_REPEATING: Final = (
    "The reply was cut because the model repeated itself. Please rephrase your question."
)
TIMED_OUT: Final = "Stopped at the time limit. Ask me to continue."
REPLY_RESTORED: Final = "This is the reply as it was."
REPLAYED_SAME: Final = "Replayed with the same seed: the text is the same, token for token."
REPLAYED_DIFFERENT: Final = (
    "Replayed with the same seed, but the text differs. *Previous* brings the earlier one back."
)
RETRYING: Final = "Something went wrong. I'm trying again."
UNVERIFIED_ADDRESSES: Final = (
    "Addresses shown as code were written by the model. I didn't open them, and they may not exist."
)
INVISIBLE_CHARACTERS: Final = (
    "Invisible characters are shown as ⟨U+…⟩, because they can change how text reads."
)
CHANNEL_PROMPT_SHORTENED: Final = (
    f"I didn't read the end of this channel's own prompt: {MAX_PROMPT_TOKENS} tokens are the most."
)
REPLY_TOO_LONG: Final = (
    "This reply is too long for Slack, so its end is missing. Ask for one part of it."
)
SHOWN_AS_PLAIN_TEXT: Final = (
    "I couldn't format this reply, so you see its beginning. The file below has all of it."
)
REPLY_INCOMPLETE: Final = (
    "The rest of this reply is missing, because Slack didn't take it. Please ask again."
)
FULL_REPLY_BELOW: Final = "The whole reply is in the file below."

ENDINGS: Final[dict[str, str]] = {
    "stopped": STOPPED,
    "timeout": TIMED_OUT,
    CutReason.SPELLED_CONTROL: STOPPED_AT_CONTROL,
    CutReason.FOREIGN_TURN: STOPPED_AT_TURN,
    CutReason.REPETITION: STOPPED_REPEATING,
}
"""Finish reasons to sentences. A reply that the model ended has none."""


def context_blocks(*sentences: str) -> list[Json]:
    """Return one context block with the sentences, as plain text; none if there are none."""
    elements = [{"type": "plain_text", "text": s, "emoji": False} for s in sentences if s]
    return [{"type": "context", "elements": elements}] if elements else []


def compose_disclaimer(facts: ReplyFacts, *, has_code: bool) -> str:
    """Name the model, say that it may be wrong, and say what was not checked."""
    checked = (
        "The code was parsed but not run (result above)."
        if has_code
        else "Nothing in it was checked."
    )
    return (
        f"Written by {facts.model}, a language model for education and research. "
        f"It may be wrong, insecure or made up. {checked}"
    )


def describe_ending(facts: ReplyFacts) -> str:
    """Return why the reply was cut off; empty if the model ended it."""
    if facts.stopped_by:
        return describe_stop(facts.stopped_by, facts.new_tokens)
    if facts.finish_reason == "length":
        return f"Stopped at {facts.max_new_tokens} tokens. Ask me to continue."
    return ENDINGS.get(facts.finish_reason, "")


def describe_dropped_turns(count: int) -> str:
    """Return how many messages of the thread were not read; empty if none."""
    if not count:
        return ""
    if count == 1:
        return "This thread is too long for me: I didn't read its oldest message."
    return f"This thread is too long for me: I didn't read its {count} oldest messages."


def describe_overflow(length: int) -> str:
    """Return the length of a growing reply that no longer fits its message."""
    return f"{WRITING} {length:,} characters so far; the rest follows when it's done"


def list_files(names: Sequence[str]) -> str:
    """Return the names of the files that follow; empty if none."""
    return f"Files below: {', '.join(names)}" if names else ""


def describe_file_message(filename: str, number: int, count: int) -> str:
    """Return why a message holds the content of a file, and which part of it."""
    part = f"part {number} of {count}" if count > 1 else "all of it"
    return f"Slack didn't take the file {filename}. This message has {part}."


def compose_waiting(jobs_ahead: int, seconds: float | None) -> Message:
    """Return the placeholder of a queued question, with its estimated wait in seconds."""
    return _compose_sentence(queue_eta.describe_position(jobs_ahead, seconds))


def compose_loading() -> Message:
    """Return the placeholder while the model is loading."""
    return _compose_sentence(MODEL_LOADING)


def compose_retrying() -> Message:
    """Return the placeholder after a failed attempt, while another one starts."""
    return _compose_sentence(RETRYING)


def compose_stopped(name: str, shown: Json | None = None) -> Message:
    """
    Return the message of a job that was stopped without an answer; `name` may be empty.

    `shown` is the message as Slack has it: the text of a worker that died stays.
    """
    sentence = describe_stop(name) if name else STOPPED
    blocks = select_text_blocks(shown or {})
    fallback = str((shown or {}).get("text") or "") if blocks else escape_fallback(sentence)
    return Message(fallback, [*blocks, *context_blocks(sentence)])


def compose_error(sentence: str) -> Message:
    """Return the message that replaces a reply, with the `user_message` of a worker error."""
    return _compose_sentence(sentence)


def _compose_sentence(sentence: str) -> Message:
    return Message(escape_fallback(sentence), context_blocks(sentence))
