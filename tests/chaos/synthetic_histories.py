"""Histories made by hand, and by hypothesis, for the tests of the checker."""

from dataclasses import replace

from hypothesis import strategies as st

from chaos.checker.expectations import Bounds, Invariant
from chaos.checker.history import Delivery, History, Mention, Message, Place, State, Version
from chaos.checker.invariants import check

TEAM = "T1"
ELSEWHERE = Place(TEAM, "C9", "1.0")


def named(second: float) -> str:
    """Return the ts of what is posted at this second."""
    return f"{1_700_000_000 + second:.6f}"


def mention(second: float, *, thread: float | None = None, channel: str = "C1") -> Mention:
    """Return a question that was acknowledged at once; its token is unlike any other."""
    ts = named(second)
    place = Place(TEAM, channel, ts if thread is None else named(thread))
    told = tuple(Delivery(event, second, second + 0.1) for event in ("app_mention", "message"))
    return Mention(ts, place, f"q{second:g}-abcd", second, told)


def reply(to: Mention, after: float = 1.0, *, ours: bool = True) -> Message:
    """Return a reply that grew from a placeholder; with our metadata, or told by its words."""
    at = to.asked_at + after
    question = to.ts if ours else None
    token = frozenset({to.token, "echo"})
    versions = (
        Version(at, State.PLACEHOLDER, "…", frozenset(), question),
        Version(at + 0.2, State.GROWING, "ec", frozenset({"ec"}), question),
        Version(at + 0.4, State.FINAL, "echo", token, question),
    )
    return Message(named(at), to.place, versions)


def run(*mentions: Mention, messages: tuple[Message, ...] | None = None) -> History:
    """Return a history of these questions and their replies, which ended long after."""
    said = tuple(reply(to) for to in mentions) if messages is None else messages
    return History(mentions=mentions, messages=said, ended_at=1_000.0)


def named_by(history: History, bounds: Bounds | None = None) -> set[tuple[Invariant, str]]:
    """Return what is broken, and about whom."""
    violations = check(history, bounds or Bounds())
    return {(violation.invariant, violation.about) for violation in violations}


ONE = mention(10.0)
REPLY = reply(ONE)
FOLLOWING = mention(20.0, thread=10.0)


@st.composite
def kept(draw: st.DrawFn) -> History:
    """Runs in which every promise is kept, by bots with and without metadata."""
    ours = draw(st.booleans())
    mentions, messages, second = list[Mention](), list[Message](), 0.0
    for channel in draw(st.lists(st.sampled_from(("C1", "C2")), max_size=4)):
        second += 10
        thread = second
        for _ in range(draw(st.integers(1, 4))):
            mentions.append(mention(second, thread=thread, channel=channel))
            messages.append(reply(mentions[-1], ours=ours))
            second += draw(st.sampled_from((2.0, 5.0)))
    order = draw(st.permutations(messages))
    return run(*draw(st.permutations(mentions)), messages=tuple(order))


def changed(said: Message) -> Message:
    """Return a reply that has another look five seconds after its end."""
    later = replace(said.last, at=said.last.at + 5, look="changed")
    return replace(said, versions=(*said.versions, later))
