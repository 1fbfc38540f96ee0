"""Sentences that both processes post to Slack."""

from typing import Final

from contract.language import JoinedPhrases, Phrase, PluralPhrase, Translatable

MODEL_LOADING: Final = Phrase(
    "The model is still loading. Your question is queued, and I'll answer it when the model is "
    "ready."
)

QUESTION_TOO_LONG: Final = Phrase(
    "Your message is too long for me. Please send only the part that matters."
)

STOP_BUTTON: Final = Phrase("Stop")
STOP_LABEL: Final = Phrase("Stop this reply")
REGENERATE_BUTTON: Final = Phrase("Regenerate")
CONTINUE_BUTTON: Final = Phrase("Continue")
PREVIOUS_BUTTON: Final = Phrase("Previous")
ANOTHER_BUTTON: Final = Phrase("Show another")
REPLAY_BUTTON: Final = Phrase("Replay")
WITHDRAW_BUTTON: Final = Phrase("Don't link others here")
SHOW_BUTTON: Final = Phrase("Show")
ANYWAY_BUTTON: Final = Phrase("Answer anyway")
DETAILS_BUTTON: Final = Phrase("Details")
RAN_BUTTON: Final = Phrase("It ran")
CURRENT_CODE_BUTTON: Final = Phrase("Current code")
GOOD_LABEL: Final = Phrase("Good answer")
BAD_LABEL: Final = Phrase("Bad answer")
DELETE_LABEL: Final = Phrase("Delete this reply")
DELETE_QUESTION: Final = Phrase("Delete this reply?")
DELETE_BUTTON: Final = Phrase("Delete")
KEEP_BUTTON: Final = Phrase("Keep")
DELETE_WARNING: Final = Phrase("I'll delete all of its messages and files. Your question stays.")
LIST_COMMA: Final = Phrase(", ")
"""Separator of names and other words in a list."""
ASKER_WITHOUT_NAME: Final = Phrase("the person who asked")
PASTE_TEXT: Final = Phrase("Please write your question, and paste the lines that matter.")
ANY_ADMINISTRATOR: Final = Phrase("an administrator")
COLLEAGUE_WITHOUT_NAME: Final = Phrase("a colleague")


def describe_stop(name: str | Translatable, num_tokens: int = 0) -> Translatable:
    """Return who stopped a reply, and after how many tokens of text; 0 if there is no text."""
    if not num_tokens:
        return Phrase("Stopped by {name}.", name=name)
    return PluralPhrase(
        "Stopped by {name} after {count} token.",
        "Stopped by {name} after {count:,} tokens.",
        num_tokens,
        name=name,
    )


def join_sentences(first: str | Translatable, *others: str | Translatable) -> Translatable:
    """Return sentences in a row; between them is a space where the language has one."""
    joined: Translatable = JoinedPhrases([first])
    for other in others:
        joined = Phrase("{before} {after}", before=joined, after=other)
    return joined
