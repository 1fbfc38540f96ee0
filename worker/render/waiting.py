"""Messages that stand in a reply's place while there is none, or where there will be none."""

from contract import wait
from worker.reply import notices
from worker.reply.fallback import plain
from worker.reply.parts import Message


def waiting(place: int, seconds: float | None) -> Message:
    """Say how many questions are before this one, and the estimated wait in seconds."""
    return _only(wait.told(place, seconds))


def loading() -> Message:
    """Say that the model is not ready yet."""
    return _only(notices.LOADING)


def retrying() -> Message:
    """Say that an attempt failed and another one begins."""
    return _only(notices.RETRYING)


def error(sentence: str) -> Message:
    """Say why there is no reply, with a sentence of `worker.errors`."""
    return _only(sentence)


def _only(sentence: str) -> Message:
    return Message(plain(sentence), notices.context(sentence))
