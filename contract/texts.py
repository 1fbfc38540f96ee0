"""Sentences that both processes post to Slack."""

from typing import Final

MODEL_LOADING: Final = (
    "The model is still loading. Your question is queued, and I'll answer it when the model is "
    "ready."
)

QUESTION_TOO_LONG: Final = (
    "Your message is too long for me. Please send only the part that matters."
)

STOP_BUTTON: Final = "Stop"
REGENERATE_BUTTON: Final = "Regenerate"
CONTINUE_BUTTON: Final = "Continue"
PREVIOUS_BUTTON: Final = "Previous"
REPLAY_BUTTON: Final = "Replay"
DETAILS_BUTTON: Final = "Details"
RAN_BUTTON: Final = "It ran"
GOOD_LABEL: Final = "Good answer"
BAD_LABEL: Final = "Bad answer"
DELETE_LABEL: Final = "Delete this reply"
DELETE_QUESTION: Final = "Delete this reply?"
DELETE_WARNING: Final = "I'll delete all of its messages and files. Your question stays."
ASKER_WITHOUT_NAME: Final = "the person who asked"
ANY_ADMINISTRATOR: Final = "an administrator"


def describe_stop(name: str, num_tokens: int = 0) -> str:
    """Return who stopped a reply, and after how many tokens of text; 0 if there is no text."""
    if not num_tokens:
        return f"Stopped by {name}."
    tokens = "1 token" if num_tokens == 1 else f"{num_tokens:,} tokens"
    return f"Stopped by {name} after {tokens}."


PASTE_TEXT: Final = "Please write your question, and paste the lines that matter."
