"""Signatures: similarity of texts, bands of similar texts, and texts with few or no words."""

import random

import pytest

from contract.signatures import (
    SIGNATURE_SLOTS,
    compute_signature,
    estimate_similarity,
    list_bands,
)


def _compare(one: str, other: str) -> float:
    return estimate_similarity(compute_signature(one), compute_signature(other))


def _draw_words(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [f"w{rng.randrange(10_000)}" for _ in range(count)]


@pytest.mark.parametrize("text", ["", "?!", "hello", "two words", "如何反转列表", "a b c " * 500])
def test_text_is_similar_to_itself_alone(text: str) -> None:
    """Case, punctuation and white space do not count; another text has nothing in common."""
    assert len(compute_signature(text)) == SIGNATURE_SLOTS
    assert _compare(text, text) == 1
    assert _compare(text, text.upper() + " ") == 1
    assert _compare(text, "none of these at all") < 0.1


def test_similarity_estimates_share_of_ngrams() -> None:
    """Texts of 200 words with a common head of 100: one third of all their n-grams is common."""
    head, one, other = (_draw_words(seed, 100) for seed in range(3))

    assert _compare(" ".join(head + one), " ".join(head + other)) == pytest.approx(1 / 3, abs=0.12)


def test_short_texts_are_estimated_too() -> None:
    """Two of four n-grams are common, so the similarity is one third."""
    similarity = _compare("how do I reverse a list", "how do I reverse it quickly")

    assert similarity == pytest.approx(1 / 3, abs=0.15)


def test_similar_texts_share_a_band() -> None:
    """One changed word of 100 leaves bands in common; other words leave none."""
    words = _draw_words(0, 100)
    bands = set(list_bands(compute_signature(" ".join(words))))

    assert bands & set(list_bands(compute_signature(" ".join([*words[:50], "x", *words[51:]]))))
    assert not bands & set(list_bands(compute_signature(" ".join(_draw_words(1, 100)))))
    assert {len(band) for band in bands} == {8}


def test_signatures_never_change() -> None:
    """Stored signatures stay comparable: these numbers are part of the format."""
    assert compute_signature("What is a mutex?")[:3] == (974117921, 3261239435, 1495354902)


def test_lone_surrogates_are_texts_too() -> None:
    """No text raises."""
    assert _compare("\ud800", "\ud800") == 1
