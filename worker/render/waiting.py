"""Messages that stand in a reply's place while there is none, or where there will be none."""

from contract import queue_eta
from worker.render import texts
from worker.render.fallback import plain
from worker.render.model import Message


def waiting(place: int, seconds: float | None) -> Message:
    """Say how many questions are before this one, and the estimated wait in seconds."""
    return _only(queue_eta.told(place, seconds))


def loading() -> Message:
    """Say that the model is not ready yet."""
    return _only(texts.LOADING)


def retrying() -> Message:
    """Say that an attempt failed and another one begins."""
    return _only(texts.RETRYING)


def error(sentence: str) -> Message:
    """Say why there is no reply, with a sentence of `worker.errors`."""
    return _only(sentence)


def _only(sentence: str) -> Message:
    return Message(plain(sentence), texts.context(sentence))
