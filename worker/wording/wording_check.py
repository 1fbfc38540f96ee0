"""Check of a reply's wording by both means, and their rates of false alarms on innocent texts."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Final, Self

import structlog

from worker.aio import cancel_and_wait
from worker.render.wording import FalseRate, Wording
from worker.wording.classifier import Classifier
from worker.wording.word_list import WordList

log = structlog.get_logger()

INNOCENT_TEXTS: Final = Path(__file__).parent / "data" / "innocent_texts.txt"
"""Harmless lines with words that careless filters flag, in English and Chinese."""


class WordingCheck:
    """Word list and classifier of a worker, each may be off; their rates, in an `async with`."""

    def __init__(self, word_list: WordList | None, classifier: Classifier | None) -> None:
        self._word_list = word_list
        self._classifier = classifier
        self._rates: dict[str, FalseRate | None] = {"list": None, "classifier": None}
        self._measurement: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start to measure the rates."""
        self._measurement = asyncio.create_task(self.measure_rates())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Measure no more."""
        await cancel_and_wait(filter(None, [self._measurement]))

    def has_listed_words(self, text: str) -> bool:
        """Return whether the word list flags a text."""
        return self._word_list is not None and self._word_list.has_match(text)

    async def check_wording(self, text: str) -> Wording:
        """Return the findings on a text, in bounded time."""
        in_list = is_flagged = None
        if self._word_list is not None:
            in_list = await asyncio.to_thread(self._word_list.has_match, text)
        if self._classifier is not None:
            is_flagged = await self._classifier.flags_text(text)
        return Wording(
            in_list=in_list,
            is_flagged=is_flagged,
            is_unanswered=self._classifier is not None and is_flagged is None,
            list_rate=self._rates["list"],
            classifier_rate=self._rates["classifier"],
        )

    async def measure_rates(self) -> None:
        """Measure the rates of false alarms, and log them. Without an answer, there is no rate."""
        texts = load_innocent_texts()
        if self._word_list is not None:
            flagged = await asyncio.to_thread(lambda: sum(map(self.has_listed_words, texts)))
            self._record_rate("list", FalseRate(flagged, len(texts)))
        if self._classifier is not None:
            answers = [await self._classifier.flags_text(text) for text in texts]
            if None not in answers:
                self._record_rate("classifier", FalseRate(sum(map(bool, answers)), len(texts)))

    def _record_rate(self, name: str, rate: FalseRate) -> None:
        self._rates[name] = rate
        log.info("wording check", check=name, flagged=rate.flagged, innocent_texts=rate.total)


@cache
def load_innocent_texts() -> tuple[str, ...]:
    """Return the innocent texts."""
    return tuple(filter(None, INNOCENT_TEXTS.read_text("utf-8").splitlines()))
