"""
Why a job may end without a reply. A class's docstring is what the person reads in the thread:

NoReplyError
├── QuestionTooLongError   the turn that asks does not fit the window alone
├── ModelFailedError       the model failed at this question as often as it may
├── ModelMissingError      the model cannot be loaded on this worker
└── OutOfTimeError         the question waited longer than its deadline

Quiet endings, where there is nobody to tell or nothing to say:

QuietError
├── ThreadGoneError        the thread or the question was deleted meanwhile
├── NotAllowedError        Slack refuses our posts here for good
└── LeaseLostError         another worker has taken the job over
"""


class EditedError(Exception):
    """The question was edited, or deleted, since the job was read: what is being said is stale."""


class NoReplyError(Exception):
    """I could not answer this. Please ask again."""

    @property
    def user_message(self) -> str:
        """What the person reads: the docstring of the class as one line."""
        return " ".join((self.__doc__ or "").split())


class QuestionTooLongError(NoReplyError):
    """
    Your message alone is longer than I can read at once. Shorten it to the part that matters
    and ask again; nothing of it was cut off behind your back.
    """


class ModelFailedError(NoReplyError):
    """
    I tried more than once and failed each time, so I have stopped trying. Nothing you did wrong;
    asking in another way may help.
    """


class ModelUnavailableError(NoReplyError):
    """The model could not be loaded, so I cannot answer. Whoever runs me finds why in my log."""


class DeadlineExceededError(NoReplyError):
    """Your question waited longer than it should have, so I gave up on it. Please ask again."""


class SilentOutcomeError(Exception):
    """The job is over and there is nothing to post."""


class ThreadGoneError(SilentOutcomeError):
    """The thread or the question was deleted meanwhile."""


class NotAllowedError(SilentOutcomeError):
    """Slack refuses our posts here for good: archived, not a member, no permission."""


class LeaseLostError(SilentOutcomeError):
    """Another worker has taken the job over; it alone may act now."""
