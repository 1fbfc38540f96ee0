"""Server-sent events arrive whole, wherever the network cuts them."""

from itertools import pairwise, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.remote_engine.sse import MAX_EVENT_BYTES, EventTooLongError, SseParser

STREAM = b': hello\r\ndata: {"a": 1}\r\n\r\nevent: x\ndata:2\ndata: 3\n\n\n\ndata: [DONE]\n\n'
EVENTS = [b'{"a": 1}', b"2\n3", b"[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_do_not_depend_on_the_cuts(cuts: list[int]) -> None:
    """Comments, other fields and empty events are left out."""
    parser, events = SseParser(), []
    places = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(places):
        events += parser.feed(STREAM[start:end])

    assert events == EVENTS


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    """Bytes that are no event raise nothing."""
    assert all(isinstance(event, bytes) for event in SseParser().feed(data))


@pytest.mark.parametrize("piece", [b"x" * 4096, b"data: " + b"x" * 4096 + b"\n", b"data:\n" * 4096])
def test_an_endless_event_is_refused(piece: bytes) -> None:
    """A line without an end and an event without an end are bounded, also one of empty lines."""
    parser, pieces = SseParser(), repeat(piece, 1 + 6 * MAX_EVENT_BYTES // len(piece))

    assert parser.feed(piece) == []
    with pytest.raises(EventTooLongError):
        _ = [parser.feed(one) for one in pieces]
