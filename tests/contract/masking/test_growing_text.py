"""Growing text: no reader sees the beginning of a secret before it is masked."""

import pytest

from contract.masking import mask_growing, mask_secrets
from contract.masking.growing_text import MAX_HELD_CHARACTERS
from testing.secret_samples import FORMS, SampleMaker, SecretSample

SAMPLES = SampleMaker(3).generate_samples()


def test_no_half_of_a_secret_is_ever_shown() -> None:
    """Each text grows by single characters."""
    first_form = SAMPLES[: len(SAMPLES) // len(FORMS)]

    assert [sample.kind for sample in first_form if _shows_half(sample)] == []


def _shows_half(sample: SecretSample) -> bool:
    half = sample.secret[: len(sample.secret) // 2]
    return any(half in mask_growing(sample.text[:n]) for n in range(len(sample.text) + 1))


def test_whole_text_is_shown_at_its_end() -> None:
    """Behind the last word nothing is held back."""
    for sample in SAMPLES:
        assert mask_growing(f"{sample.text}\n") == mask_secrets(f"{sample.text}\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Use a mutex", "Use a mutex"),
        ("Use a mutex. It", "Use a mutex. It"),
        ("用互斥锁", "用互斥锁"),
        ("Use `mut", "Use "),
        ("Use mutex1", "Use "),
        ("password: hun", "password: "),
        ("Bearer abc", "Bearer "),
        ("--token abc", "--token "),
        ("a eyJ" + "x" * MAX_HELD_CHARACTERS, "a "),
        ("a '-----BEGIN" + "\\n" * MAX_HELD_CHARACTERS, "a "),
        ("a " + "=" * (MAX_HELD_CHARACTERS + 1), "a ="),
    ],
)
def test_plain_word_is_shown_at_the_end(text: str, shown: str) -> None:
    """Any other word is held back, up to a bound."""
    assert mask_growing(text) == shown
