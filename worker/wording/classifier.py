"""
Classifier: an operator's HTTP endpoint that scores the wording of a reply.

It takes `{"text": "..."}` by POST and answers `{"score": 0.93}`, from 0 to 1. Without an answer in
time, the wording is not checked. Nothing is kept of the text here.
"""

import json
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog

log = structlog.get_logger()

TIMEOUT_SECONDS: Final = 0.9
"""Maximum seconds of an answer: a reply waits no longer for it than for the checks of its code."""
MAX_ANSWER_BYTES: Final = 4096


class ClassifierError(Exception):
    """The endpoint gave no score; the message names the reason and quotes nothing."""


class Classifier:
    """Endpoint at `url`. It follows no redirect."""

    def __init__(self, url: str, threshold: float) -> None:
        """A text is flagged from the score `threshold` on."""
        self._url = url
        self._threshold = threshold

    async def flags_text(self, text: str) -> bool | None:
        """Return whether the endpoint flags a text; `None` if it gives no answer in time."""
        try:
            return await self._fetch_score(text) >= self._threshold
        except (aiohttp.ClientError, OSError, TimeoutError, ClassifierError) as error:
            log.warning("wording not classified", error=type(error).__name__)
            return None

    async def _fetch_score(self, text: str) -> float:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(self._url, json={"text": text}, allow_redirects=False) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise ClassifierError("status")
            body = b""
            async for chunk in response.content.iter_chunked(MAX_ANSWER_BYTES):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise ClassifierError("too long")
            return parse_score(body)


def parse_score(body: bytes) -> float:
    """Return the score of an answer. Raises `ClassifierError`."""
    try:
        score = json.loads(body)["score"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ClassifierError("no score") from None
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise ClassifierError("no number")
    # NaN is in no range. An integer of any size can be compared.
    if not 0 <= score <= 1:
        raise ClassifierError("out of range")
    return float(score)
