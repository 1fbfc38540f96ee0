"""Journal of calls and delivery attempts."""

from fakeslack.delivery.journal import DEFAULT_MAX_RECORDS, DeliveryRecord, Journal
from fakeslack.state.change_log import ActivityCounter


def test_the_journal_drops_the_oldest_records() -> None:
    """Numbering continues when old calls and deliveries are dropped."""
    journal = Journal(ActivityCounter())
    for _ in range(DEFAULT_MAX_RECORDS + 2):
        journal.open_call("auth.test", {})
    assert journal.next_call_number == DEFAULT_MAX_RECORDS + 2
    assert journal.calls_since()[0]["number"] == 2
    assert [call["number"] for call in journal.calls_since(DEFAULT_MAX_RECORDS)] == [
        DEFAULT_MAX_RECORDS,
        DEFAULT_MAX_RECORDS + 1,
    ]
    for number in range(DEFAULT_MAX_RECORDS + 1):
        journal.open_delivery(DeliveryRecord(str(number), "a", "b", None, None, None, 0, "", 0.0))
    assert len(journal.deliveries) == DEFAULT_MAX_RECORDS
    assert journal.deliveries[0].envelope_id == "1"
    assert journal.first_delivery_number == 1
