"""Every sentence that we put around the model's words, and the context blocks that hold them."""

from collections.abc import Sequence
from typing import Final

from worker.render.model import Json, ReplyFacts

WRITING: Final = "writing …"
EMPTY_REPLY: Final = "I have nothing to say to that. Asking in another way may help."
STOPPED: Final = "Stopped here."
TIMED_OUT: Final = "Cut here, because it took longer than it may; ask me to continue."
MODEL_LOADING: Final = "The model is still loading. Your question waits and will be answered."
RETRYING: Final = "Something went wrong while I was answering. I am trying again."
UNVERIFIED_ADDRESSES: Final = (
    "Addresses shown as code come from the model alone: nobody opened them, and they may not exist."
)
INVISIBLE_CHARACTERS: Final = (
    "Invisible characters are shown as ⟨U+…⟩: they can make text read other than it is."
)
FULL_REPLY_BELOW: Final = "The whole reply is in the file below, also what does not fit here."


def context_blocks(*sentences: str) -> list[Json]:
    """Return a block with the sentences, or none where there are none; no markup is read in it."""
    elements = [{"type": "plain_text", "text": s, "emoji": False} for s in sentences if s]
    return [{"type": "context", "elements": elements}] if elements else []


def compose_disclaimer(facts: ReplyFacts, *, has_code: bool) -> str:
    """Return what the model is, that it may be wrong, and what was not checked."""
    checked = (
        "Its code was not run; above stands what a parser says of it."
        if has_code
        else "Nothing in it was checked."
    )
    return (
        f"Written by {facts.model}, a language model for education and research. "
        f"It may be wrong, insecure or made up. {checked}"
    )


def describe_ending(facts: ReplyFacts) -> str:
    """Return why the reply ends where it does, if the model did not end it."""
    if facts.finish_reason == "length":
        return f"Cut at {facts.max_new_tokens} tokens; ask me to continue."
    return {"stopped": STOPPED, "timeout": TIMED_OUT}.get(facts.finish_reason, "")


def describe_dropped(count: int) -> str:
    """Return how much of the thread the model did not see."""
    if not count:
        return ""
    if count == 1:
        return "The oldest message of this thread no longer fitted: I did not read it."
    return f"The {count} oldest messages of this thread no longer fitted: I did not read them."


def describe_overflow(length: int) -> str:
    """Return how long a growing reply is that no longer fits its message."""
    return f"{WRITING} {length:,} characters so far; the rest follows when it is done"


def list_files(names: Sequence[str]) -> str:
    """Return which files follow."""
    return f"Below as files: {', '.join(names)}" if names else ""
