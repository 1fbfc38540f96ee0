"""Journal of calls and delivery attempts."""

from fakeslack.delivery.journal import DEFAULT_MAX_RECORDS as JOURNAL_KEPT
from fakeslack.delivery.journal import DeliveryRecord, Journal
from fakeslack.state.change_log import ActivityCounter


def test_the_journal_numbers_calls_and_forgets_the_oldest() -> None:
    """Numbers go on when old calls are forgotten."""
    journal = Journal(ActivityCounter())
    for _ in range(JOURNAL_KEPT + 2):
        journal.open_call("auth.test", {})
    assert journal.next_call_number == JOURNAL_KEPT + 2
    assert journal.calls_since()[0]["number"] == 2
    assert [call["number"] for call in journal.calls_since(JOURNAL_KEPT)] == [
        JOURNAL_KEPT,
        JOURNAL_KEPT + 1,
    ]
    for number in range(JOURNAL_KEPT + 1):
        journal.open_delivery(DeliveryRecord(str(number), "a", "b", None, None, None, 0, "", 0.0))
    assert len(journal.deliveries) == JOURNAL_KEPT
    assert journal.deliveries[0].envelope_id == "1"
    assert journal.first_delivery_number == 1
