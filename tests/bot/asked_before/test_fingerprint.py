"""Fingerprints: equal for like questions under one key, and unrelated under two."""

from bot.asked_before.fingerprint import KEY_BYTES, Fingerprint
from bot.asked_before.terms import read_terms

KEY, OTHER_KEY = b"k" * KEY_BYTES, b"o" * KEY_BYTES


def make_fingerprint(text: str, key: bytes = KEY) -> Fingerprint:
    """Return the fingerprint of a question."""
    terms = read_terms(text)
    assert terms is not None
    return Fingerprint.from_terms(terms, key)


def test_like_questions_share_a_digest() -> None:
    """Their similarity is measured from what the database keeps."""
    one = make_fingerprint("How do I sort a list in Python?")
    other = make_fingerprint("best way to sort a Python list")

    assert one.digest == other.digest
    assert 0.5 < one.measure_similarity(other.encode_signature()) < 1


def test_questions_that_differ_in_one_term_share_no_digest() -> None:
    """A look into the database finds none of them."""
    one = make_fingerprint("How do I sort a very long list of names in Python 3.11?")
    other = make_fingerprint("How do I sort a very long list of names in Python 3.12?")

    assert one.digest != other.digest


def test_workspaces_have_nothing_in_common() -> None:
    """The same question under two keys: no digest and no slot is equal."""
    text = "How do I sort a list in Python?"
    one, other = make_fingerprint(text), make_fingerprint(text, OTHER_KEY)

    assert one.digest != other.digest
    assert one.measure_similarity(other.encode_signature()) == 0
