"""Journal of the traffic with the app, for tests: Web API calls and delivery attempts."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from fakeslack.errors import Json
from fakeslack.state.change_log import ActivityCounter

DEFAULT_MAX_RECORDS = 20_000


@dataclass(slots=True)
class Call:
    """One call of a Web API method; `at` is monotonic seconds, `args` exclude the token."""

    number: int
    method: str
    at: float
    args: Json
    ok: bool = False
    error: str | None = None
    status: int = 0
    seconds: float = 0.0
    fault: str | None = None
    retry_after: str | None = None
    unknown: list[str] = field(default_factory=list)


@dataclass(slots=True)
class DeliveryRecord:
    """One delivery attempt; `changed_ts` is the ts of the message that the event edits."""

    envelope_id: str
    type: str
    event_type: str
    event_id: str | None
    channel: str | None
    ts: str | None
    attempt: int
    reason: str
    sent_at: float
    changed_ts: str | None = None
    acked_at: float | None = None
    failure: str | None = None


class Journal:
    """The latest `max_records` calls and as many delivery attempts, numbered from 0."""

    def __init__(self, activity: ActivityCounter, max_records: int = DEFAULT_MAX_RECORDS) -> None:
        self._activity = activity
        self._max_records = max_records
        self.deliveries: deque[DeliveryRecord] = deque(maxlen=max_records)
        self.first_delivery_number = 0
        """The number of the oldest delivery attempt that is still kept."""
        self._calls: list[Call] = []
        self._num_dropped_calls = 0

    def open_call(self, method: str, args: Mapping[str, object]) -> Call:
        """Record the start of a call."""
        number = self._num_dropped_calls + len(self._calls)
        call = Call(number, method, time.monotonic(), dict(args))
        self._calls.append(call)
        if len(self._calls) > self._max_records:
            del self._calls[0]
            self._num_dropped_calls += 1
        self._activity.record_activity()
        return call

    def close_call(self, call: Call) -> None:
        """Record the end of a call."""
        call.seconds = time.monotonic() - call.at
        self._activity.record_activity()

    def calls_since(self, since: int = 0) -> list[Json]:
        """Return the kept calls numbered `since` and later."""
        return [asdict(call) for call in self._calls[max(0, since - self._num_dropped_calls) :]]

    @property
    def next_call_number(self) -> int:
        """The number of the next call."""
        return self._num_dropped_calls + len(self._calls)

    def open_delivery(self, record: DeliveryRecord) -> None:
        """Record a delivery attempt."""
        self.first_delivery_number += len(self.deliveries) == self._max_records
        self.deliveries.append(record)
        self._activity.record_activity()

    def close_delivery(self, record: DeliveryRecord, failure: str | None = None) -> None:
        """Record the acknowledgement of a delivery attempt, or its failure."""
        if failure is None:
            record.acked_at = time.monotonic()
        record.failure = failure
        self._activity.record_activity()
