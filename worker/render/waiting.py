"""Messages that stand in a reply's place while there is none, or where there will be none."""

from contract import queue_eta
from worker.render import texts
from worker.render.fallback import escape_fallback
from worker.render.model import Message


def compose_waiting(jobs_ahead: int, seconds: float | None) -> Message:
    """Say how many questions are before this one, and the estimated wait in seconds."""
    return _compose_sentence(queue_eta.describe_position(jobs_ahead, seconds))


def compose_loading() -> Message:
    """Say that the model is not ready yet."""
    return _compose_sentence(texts.MODEL_LOADING)


def compose_retrying() -> Message:
    """Say that an attempt failed and another one begins."""
    return _compose_sentence(texts.RETRYING)


def compose_error(sentence: str) -> Message:
    """Say why there is no reply, with a sentence of `worker.errors`."""
    return _compose_sentence(sentence)


def _compose_sentence(sentence: str) -> Message:
    return Message(escape_fallback(sentence), texts.context_blocks(sentence))
