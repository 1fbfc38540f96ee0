"""
Reasons why a job ends without a reply. Each `NoReplyError` carries the sentence for the thread:

NoReplyError
├── QuestionTooLongError     the question alone exceeds the context window
├── FilesUnreadableError     the question consists of files, and none can be read
├── ModelFailedError         the maximum number of attempts has failed
├── ReplyNotPostedError      every attempt to post the saved reply has failed
├── ModelUnavailableError    the worker cannot load the model
├── VersionGoneError         Redis no longer keeps the version before the present reply
├── ModelChangedError        another model, or another device, runs than wrote the reply
├── PromptChangedError       the thread has changed since the reply was written
├── ContextFullError         reply and question fill the context window
└── DeadlineExceededError    the question waited past its deadline

Outcomes without a message, because none can be posted or none is due:

SilentOutcomeError
├── ThreadGoneError          the thread or the question was deleted
├── NotAllowedError          Slack permanently refuses posts of the bot
└── LeaseLostError           another worker has taken the job over
"""

from contract import texts
from contract.language import Phrase, Translatable


class EditedError(Exception):
    """The question was edited or deleted after its text was read: the answer is stale."""


class SlackUnavailableError(Exception):
    """Slack did not accept the call before its deadline."""


class AppRefusedError(Exception):
    """
    Slack refuses the whole app, for example its token: the job waits and runs again.

    `on_trial` is whether this job was tried to learn if Slack accepts the app again.
    """

    def __init__(self, error_name: str, *, on_trial: bool = False) -> None:
        super().__init__(error_name)
        self.on_trial = on_trial


class NoReplyError(Exception):
    """The job ends with an error message in the thread."""

    user_message: Translatable = Phrase("I couldn't answer this. Please ask again.")


class QuestionTooLongError(NoReplyError):
    """The question alone exceeds the context window."""

    user_message = texts.QUESTION_TOO_LONG


class FilesUnreadableError(NoReplyError):
    """The question consists of files, and none of them can be read."""

    def __init__(self, file_note: str | Translatable) -> None:
        """`file_note` says why."""
        super().__init__()
        self.user_message = texts.join_sentences(file_note, texts.PASTE_TEXT)


class ModelFailedError(NoReplyError):
    """The maximum number of attempts has failed."""

    user_message = Phrase(
        "I couldn't answer this: every attempt failed, so I've stopped trying. "
        "Please rephrase your question, or ask again later."
    )


class ReplyNotPostedError(NoReplyError):
    """Every attempt to post the saved reply has failed."""

    user_message = Phrase(
        "I wrote a reply, but every attempt to post it failed, so I've stopped trying. "
        "Please ask again."
    )


class ModelUnavailableError(NoReplyError):
    """The worker cannot load the model."""

    user_message = Phrase(
        "I can't answer because the model failed to load. "
        "An administrator can find the reason in the worker's log."
    )


class VersionGoneError(NoReplyError):
    """Redis no longer keeps the version before the present reply."""

    user_message = Phrase("I no longer keep the version before this one.")


class ModelChangedError(NoReplyError):
    """Another model, or another device, runs than wrote the reply."""

    user_message = Phrase(
        "Another model or device runs now, so I can't work on by this reply's tokens."
    )


class PromptChangedError(NoReplyError):
    """The thread has changed since the reply was written."""

    user_message = Phrase("The thread has changed since this reply, so I can't replay it.")


class ContextFullError(NoReplyError):
    """Reply and question fill the context window."""

    user_message = Phrase("There's no room left to continue this reply. Please ask for the rest.")


class DeadlineExceededError(NoReplyError):
    """The question waited past its deadline."""

    user_message = Phrase("Your question waited too long, so I didn't answer it. Please ask again.")


class SilentOutcomeError(Exception):
    """The job is over, and no message can be posted or is due."""


class ThreadGoneError(SilentOutcomeError):
    """The thread or the question was deleted."""


class NotAllowedError(SilentOutcomeError):
    """Slack permanently refuses posts here: archived, not a member or no permission."""


class LeaseLostError(SilentOutcomeError):
    """Another worker has taken the job over; only that worker may act now."""
