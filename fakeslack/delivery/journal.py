"""What went over the wire, for tests and for whoever wants to look: API calls and deliveries."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from fakeslack.errors import Json
from fakeslack.state.pulse import Pulse

KEPT = 20_000


@dataclass(slots=True)
class Call:
    """One call of a Web API method; `at` is monotonic, in seconds, `args` without the token."""

    n: int
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
class Envelope:
    """One attempt to deliver something to the app; `changes` is the ts of a message it changes."""

    envelope_id: str
    type: str
    event_type: str
    event_id: str | None
    channel: str | None
    ts: str | None
    attempt: int
    reason: str
    sent_at: float
    changes: str | None = None
    acked_at: float | None = None
    failure: str | None = None


class Journal:
    """The last `keep` calls and as many envelopes, numbered from 0."""

    def __init__(self, pulse: Pulse, keep: int = KEPT) -> None:
        self._pulse = pulse
        self._keep = keep
        self.envelopes: deque[Envelope] = deque(maxlen=keep)
        self.first_envelope = 0
        """How many envelopes have been forgotten."""
        self._calls: list[Call] = []
        self._dropped = 0

    def open_call(self, method: str, args: Mapping[str, object]) -> Call:
        """Write down that a call has begun."""
        number = self._dropped + len(self._calls)
        call = Call(number, method, time.monotonic(), dict(args))
        self._calls.append(call)
        if len(self._calls) > self._keep:
            del self._calls[0]
            self._dropped += 1
        self._pulse.beat()
        return call

    def close_call(self, call: Call) -> None:
        """Write down that a call has its answer."""
        call.seconds = time.monotonic() - call.at
        self._pulse.beat()

    def calls(self, since: int = 0) -> list[Json]:
        """Return the calls numbered `since` and later."""
        return [asdict(call) for call in self._calls[max(0, since - self._dropped) :]]

    @property
    def next_call(self) -> int:
        """The number that the next call will have."""
        return self._dropped + len(self._calls)

    def sent(self, envelope: Envelope) -> None:
        """Write down that a delivery was tried."""
        self.first_envelope += len(self.envelopes) == self._keep
        self.envelopes.append(envelope)
        self._pulse.beat()

    def settled(self, envelope: Envelope, failure: str | None = None) -> None:
        """Write down that a delivery was acknowledged, or why not."""
        if failure is None:
            envelope.acked_at = time.monotonic()
        envelope.failure = failure
        self._pulse.beat()
