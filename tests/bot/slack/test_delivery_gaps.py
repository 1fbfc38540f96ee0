"""Gaps in deliveries: a silence that a retry confirms."""

import pytest

from bot.slack.delivery_gaps import CONFIRMATION_SECONDS, MIN_GAP_SECONDS, DeliveryGaps

pytestmark = pytest.mark.unit

START = 1_700_000_000.0


@pytest.fixture
def gaps() -> DeliveryGaps:
    """Watch from the start on."""
    found = DeliveryGaps()
    found.start_at(START)
    return found


@pytest.mark.parametrize("seconds", [0.0, 1.0, CONFIRMATION_SECONDS])
def test_retry_confirms_a_silence(gaps: DeliveryGaps, seconds: float) -> None:
    """It is the first delivery after the silence, or comes soon after it."""
    after = START + MIN_GAP_SECONDS
    gaps.note_delivery(after, is_retry=not seconds)
    gaps.note_delivery(after + seconds, is_retry=True)

    assert gaps.find_gap() == START


def test_silence_alone_is_no_gap(gaps: DeliveryGaps) -> None:
    """Nor is a retry after a short one, or long after it."""
    gaps.note_delivery(START + MIN_GAP_SECONDS - 1, is_retry=True)
    after = START + 2 * MIN_GAP_SECONDS
    gaps.note_delivery(after, is_retry=False)
    for second in range(0, int(CONFIRMATION_SECONDS) + 2, 100):
        gaps.note_delivery(after + second, is_retry=False)
    gaps.note_delivery(after + CONFIRMATION_SECONDS + 1, is_retry=True)

    assert gaps.find_gap() is None


def test_longer_gap_stays_open(gaps: DeliveryGaps) -> None:
    """A gap is filled from its start; a retry tells of one silence alone."""
    gaps.note_delivery(START + 1000, is_retry=True)
    gaps.note_delivery(START + 2000, is_retry=True)
    gaps.close_gap(START + 1000)
    assert gaps.find_gap() == START
    gaps.close_gap(START)
    gaps.note_delivery(START + 2001, is_retry=True)

    assert gaps.find_gap() is None


def test_nothing_is_noted_before_the_start() -> None:
    """The bot may have received nothing because it did not run."""
    gaps = DeliveryGaps()
    gaps.note_delivery(START, is_retry=True)

    assert gaps.find_gap() is None
