"""Words benchmark: the false alarms of a workspace's word list and classifier."""

import asyncio

from worker.wording.classifier import Classifier
from worker.wording.word_list import load_word_list
from worker.wording.wording_check import WordingCheck, load_innocent_texts

MAX_SHOWN: int = 10
"""Flagged lines that the table shows for each check."""


def main(file: str, classifier: str, threshold: float) -> str:
    """Measure, and return the table. Raises `SettingsError` for a list that can't be used."""
    return asyncio.run(measure_checks(file, classifier, threshold))


async def measure_checks(file: str, url: str, threshold: float) -> str:
    """Return a table of the innocent texts that each check flags."""
    word_list = load_word_list(file)
    classifier = Classifier(url, threshold) if url else None
    check, texts = WordingCheck(word_list, classifier), load_innocent_texts()
    lines = ["| Check | Flagged | Examples |", "|---|---|---|"]
    if word_list is not None:
        flagged = [text for text in texts if check.has_listed_words(text)]
        lines.append(_format_row("word list", flagged, len(texts)))
    if classifier is not None:
        answers = [await classifier.flags_text(text) for text in texts]
        flagged = [text for text, answer in zip(texts, answers, strict=True) if answer]
        lines.append(_format_row("classifier", flagged, len(texts)))
        lines.append(f"| classifier, no answer | {answers.count(None)} of {len(texts)} | |")
    return "\n".join(lines)


def _format_row(name: str, flagged: list[str], total: int) -> str:
    examples = "<br>".join(text.replace("|", "\\|") for text in flagged[:MAX_SHOWN])
    return f"| {name} | {len(flagged)} of {total} | {examples} |"
