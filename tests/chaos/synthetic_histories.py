"""Synthetic histories for tests of the checker, by hand and by hypothesis."""

from dataclasses import replace

from hypothesis import strategies as st

from chaos.checker.expectations import Bounds, Invariant
from chaos.checker.history import Delivery, History, Mention, Message, Place, State, Version
from chaos.checker.invariants import check_history

TEAM = "T1"
OTHER_PLACE = Place(TEAM, "C9", "1.0")


def timestamp_at(second: float) -> str:
    """Return the timestamp of a message posted at this second."""
    return f"{1_700_000_000 + second:.6f}"


def make_mention(second: float, *, thread: float | None = None, channel: str = "C1") -> Mention:
    """Return a question that is acknowledged after 0.1 s, with a unique token."""
    ts = timestamp_at(second)
    place = Place(TEAM, channel, ts if thread is None else timestamp_at(thread))
    deliveries = tuple(
        Delivery(event, second, second + 0.1) for event in ("app_mention", "message")
    )
    return Mention(ts, place, f"q{second:g}-abcd", second, deliveries)


def make_reply(mention: Mention, delay: float = 1.0, *, with_metadata: bool = True) -> Message:
    """Return a reply with three versions: placeholder, growing, final."""
    posted_at = mention.asked_at + delay
    question = mention.ts if with_metadata else None
    token = frozenset({mention.token, "echo"})
    versions = (
        Version(posted_at, State.PLACEHOLDER, "…", frozenset(), question),
        Version(posted_at + 0.2, State.GROWING, "ec", frozenset({"ec"}), question),
        Version(posted_at + 0.4, State.FINAL, "echo", token, question),
    )
    return Message(timestamp_at(posted_at), mention.place, versions)


def make_history(*mentions: Mention, messages: tuple[Message, ...] | None = None) -> History:
    """Return a history of these questions, by default with a reply to each."""
    replies = tuple(make_reply(mention) for mention in mentions) if messages is None else messages
    return History(mentions=mentions, messages=replies, ended_at=1_000.0)


def find_violations(history: History, bounds: Bounds | None = None) -> set[tuple[Invariant, str]]:
    """Return the violated invariants with their subjects."""
    violations = check_history(history, bounds or Bounds())
    return {(violation.invariant, violation.subject) for violation in violations}


FIRST_MENTION = make_mention(10.0)
FIRST_REPLY = make_reply(FIRST_MENTION)
SECOND_MENTION = make_mention(20.0, thread=10.0)


@st.composite
def clean_histories(draw: st.DrawFn) -> History:
    """Histories without violations, of bots with and without metadata."""
    with_metadata = draw(st.booleans())
    mentions, messages, second = list[Mention](), list[Message](), 0.0
    for channel in draw(st.lists(st.sampled_from(("C1", "C2")), max_size=4)):
        second += 10
        thread = second
        for _ in range(draw(st.integers(1, 4))):
            mentions.append(make_mention(second, thread=thread, channel=channel))
            messages.append(make_reply(mentions[-1], with_metadata=with_metadata))
            second += draw(st.sampled_from((2.0, 5.0)))
    order = draw(st.permutations(messages))
    return make_history(*draw(st.permutations(mentions)), messages=tuple(order))


def change_after_end(message: Message) -> Message:
    """Return a reply whose look changes five seconds after its end."""
    later = replace(message.last_version, at=message.last_version.at + 5, look="changed")
    return replace(message, versions=(*message.versions, later))
