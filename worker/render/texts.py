"""Sentences around a reply, the context blocks that hold them, and messages instead of a reply."""

from collections.abc import Sequence
from typing import Final

from contract.language import JoinedPhrases, Language, Phrase, PluralPhrase, Translatable
from contract.reply_rules import MAX_PROMPT_TOKENS
from contract.stop import select_text_blocks
from contract.texts import LIST_COMMA, describe_stop
from worker.render.model import CutReason, Json, Message, ReplyFacts
from worker.render.sanitize import escape_fallback

WRITING: Final = Phrase("writing …")
EMPTY_REPLY: Final = Phrase("The model returned an empty reply. Please rephrase your question.")
STOPPED: Final = Phrase("An operator stopped this reply.")
STOPPED_AT_CONTROL: Final = Phrase(
    "The reply was cut where the model wrote one of its control tokens as text. Ask me to continue."
)
STOPPED_AT_TURN: Final = Phrase(
    "The reply was cut where the model went on in another person's name."
)
STOPPED_REPEATING: Final = Phrase(
    "The reply was cut because the model repeated itself. Please rephrase your question."
)
TIMED_OUT: Final = Phrase("Stopped at the time limit. Ask me to continue.")
REPLY_RESTORED: Final = Phrase("This is the reply as it was.")
REPLAYED_SAME: Final = Phrase("Replayed with the same seed: the text is the same, token for token.")
REPLAYED_DIFFERENT: Final = Phrase(
    "Replayed with the same seed, but the text differs. *Previous* brings the earlier one back."
)
RETRYING: Final = Phrase("Something went wrong. I'm trying again.")
UNVERIFIED_ADDRESSES: Final = Phrase(
    "Addresses shown as code were written by the model. I didn't open them, and they may not exist."
)
INVISIBLE_CHARACTERS: Final = Phrase(
    "Invisible characters are shown as ⟨U+…⟩, because they can change how text reads."
)
CHANNEL_PROMPT_SHORTENED: Final = Phrase(
    "I didn't read the end of this channel's own prompt: {count} tokens are the most.",
    count=MAX_PROMPT_TOKENS,
)
REPLY_TOO_LONG: Final = Phrase(
    "This reply is too long for Slack, so its end is missing. Ask for one part of it."
)
SHOWN_AS_PLAIN_TEXT: Final = Phrase(
    "I couldn't format this reply, so you see its beginning. The file below has all of it."
)
REPLY_INCOMPLETE: Final = Phrase(
    "The rest of this reply is missing, because Slack didn't take it. Please ask again."
)
FULL_REPLY_TITLE: Final = Phrase("The whole reply")
FULL_REPLY_BELOW: Final = Phrase("The whole reply is in the file below.")

ENDINGS: Final[dict[str, Translatable]] = {
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


def describe_ending(facts: ReplyFacts) -> Translatable | str:
    """Return why the reply was cut off; empty if the model ended it."""
    if facts.stopped_by:
        return describe_stop(facts.stopped_by, facts.new_tokens)
    if facts.finish_reason == "length":
        return PluralPhrase(
            "Stopped at {count} token. Ask me to continue.",
            "Stopped at {count} tokens. Ask me to continue.",
            facts.max_new_tokens,
        )
    return ENDINGS.get(facts.finish_reason, "")


def describe_candidate(facts: ReplyFacts) -> Translatable | str:
    """Return why a reader sees another text than the one that grew; empty if it is that one."""
    place = {"number": facts.candidate + 1, "count": facts.candidates}
    if not facts.candidate:
        return ""
    if facts.candidate == facts.chosen:
        return Phrase(
            "This is candidate {number} of {count}. It replaced the first one because more of my "
            "checks hold for its code.",
            **place,
        )
    return Phrase("This is candidate {number} of {count}, after a press of Show another.", **place)


def describe_dropped_turns(count: int) -> Translatable | str:
    """Return how many messages of the thread were not read; empty if none."""
    if not count:
        return ""
    return PluralPhrase(
        "This thread is too long for me: I didn't read its oldest message.",
        "This thread is too long for me: I didn't read its {count} oldest messages.",
        count,
    )


def describe_hidden_secrets(count: int) -> Translatable | str:
    """Return how many values of a reply are hidden because they look like secrets."""
    if not count:
        return ""
    return PluralPhrase(
        "{count} value that looks like a secret is hidden.",
        "{count} values that look like secrets are hidden.",
        count,
    )


def describe_overflow(length: int) -> Translatable:
    """Return the length of a growing reply that no longer fits its message."""
    return Phrase(
        "writing … {count:,} characters so far; the rest follows when it's done", count=length
    )


def list_files(names: Sequence[str]) -> Translatable | str:
    """Return the names of the files that follow; empty if none."""
    return Phrase("Files below: {names}", names=JoinedPhrases(names, LIST_COMMA)) if names else ""


def describe_part(number: int, count: int) -> Translatable | str:
    """Return which of several messages of a reply this is; empty if it is the only one."""
    return Phrase("Part {number} of {count}", number=number, count=count) if count > 1 else ""


def describe_file_message(filename: str, number: int, count: int) -> Translatable:
    """Return why a message holds the content of a file, and which part of it."""
    if count > 1:
        return Phrase(
            "Slack didn't take the file {filename}. This message has part {number} of {count}.",
            filename=filename,
            number=number,
            count=count,
        )
    return Phrase(
        "Slack didn't take the file {filename}. This message has all of it.", filename=filename
    )


def compose_status(sentence: Translatable, language: Language) -> Message:
    """Return a message with one of our sentences alone, such as a placeholder or an error."""
    text = sentence.translate(language)
    return Message(escape_fallback(text), context_blocks(text))


def compose_stop_notice(name: str, language: Language, shown: Json | None = None) -> Message:
    """
    Return the message of a job that was stopped without an answer; `name` may be empty.

    `shown` is the message as Slack has it: the text of a worker that died stays.
    """
    sentence = (describe_stop(name) if name else STOPPED).translate(language)
    blocks = select_text_blocks(shown or {})
    fallback = str((shown or {}).get("text") or "") if blocks else escape_fallback(sentence)
    return Message(fallback, [*blocks, *context_blocks(sentence)])
