"""People, channels and messages: what may be said where, and who hears of it."""

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.channels import Channel, Kind
from fakeslack.state.messages import Message
from fakeslack.state.people import DEPLOYBOT, STARCHAT
from testing.in_memory_workspace import ADA, GENERAL, LIN, SAM, InMemoryWorkspace


@pytest.fixture
def town() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_person_is_found_by_id_bot_id_and_name(town: InMemoryWorkspace) -> None:
    """Whoever is asked for by any of their names is found; nobody else is."""
    found = [town.workspace.person(name) for name in ("U0STARCHAT", "B0STARCHAT", "StarChat")]
    assert found == [STARCHAT] * 3
    with pytest.raises(SlackError, match="user_not_found"):
        town.workspace.person("nobody")


def test_a_channel_is_found_by_id_and_name(town: InMemoryWorkspace) -> None:
    """A channel answers to its id and to `#name`; a private one only to its id."""
    town.workspace.create("den", [ADA], private=True)
    assert town.workspace.channel("#general").id == GENERAL
    assert town.workspace.channel("python").id == "C0PYTHON01"
    for name in ("#den", "#attic"):
        with pytest.raises(SlackError, match="channel_not_found"):
            town.workspace.channel(name)


def test_a_direct_message_is_opened_once(town: InMemoryWorkspace) -> None:
    """The same people always meet in the same place, in whatever order they are named."""
    two = town.workspace.direct([ADA, LIN])
    three = town.workspace.direct([LIN, ADA, SAM, LIN])
    assert two.kind is Kind.IM
    assert two is town.workspace.direct([LIN, ADA])
    assert three.kind is Kind.MPIM
    assert three is town.workspace.direct([SAM, LIN, ADA])
    assert three.name == "mpdm-lin--ada--sam-1"


def test_coming_going_and_archiving_are_told(town: InMemoryWorkspace) -> None:
    """Every change of a channel is told with who it concerns."""
    den = town.workspace.create("den", [ADA])
    town.workspace.join(den.id, LIN)
    town.workspace.leave(den.id, ADA)
    town.workspace.archive(den.id)
    town.workspace.archive(den.id, archived=False)
    assert [change.detail for change in town.find_changes("channel")] == [
        {"opened": True},
        {"joined": LIN},
        {"left": ADA},
        {"archived": True},
        {"archived": False},
    ]
    assert den.members == [LIN]
    with pytest.raises(SlackError, match="already_in_channel"):
        town.workspace.join(den.id, LIN)
    with pytest.raises(SlackError, match="not_in_channel"):
        town.workspace.leave(den.id, ADA)


def test_a_reply_names_the_author_of_the_root(town: InMemoryWorkspace) -> None:
    """A reply carries `parent_user_id`, as Slack's do."""
    root = town.post_message("hi", user=LIN)
    assert town.post_message("hello", thread_ts=root.ts).body["parent_user_id"] == LIN


def test_nobody_replies_to_what_is_not_a_root(town: InMemoryWorkspace) -> None:
    """A thread needs its root: neither a missing message nor a reply can be one."""
    reply = town.post_message("b", thread_ts=town.post_message("a").ts)
    with pytest.raises(SlackError, match="thread_not_found"):
        town.post_message("c", thread_ts="1.000000")
    with pytest.raises(SlackError, match="cannot_reply_to_message"):
        town.post_message("c", thread_ts=reply.ts)


def test_an_edit_keeps_the_ts_and_says_who_edited(town: InMemoryWorkspace) -> None:
    """An edited message stands where it stood and bears the mark of its editor."""
    old = town.post_message("a")
    new = town.workspace.edited(old, ADA, text="b", blocks=None)
    assert town.workspace.message(GENERAL, old.ts) == new
    assert (new.text, new.body["edited"]["user"]) == ("b", ADA)
    [change] = town.find_changes("message_changed")
    assert (change.previous, change.message) == (old, new)


def test_reactions_are_counted_by_person(town: InMemoryWorkspace) -> None:
    """One person reacts once with one emoji; taking the last away leaves none."""
    message = town.post_message("a")

    def react(person: str, *, remove: bool = False) -> list[dict[str, object]]:
        now = town.workspace.message(GENERAL, message.ts)
        town.workspace.react(now, person, "eyes", remove=remove)
        shown: list[dict[str, object]] = town.workspace.message(GENERAL, message.ts).body.get(
            "reactions", []
        )
        return shown

    assert react(ADA) == [{"name": "eyes", "users": [ADA], "count": 1}]
    assert react(LIN) == [{"name": "eyes", "users": [ADA, LIN], "count": 2}]
    with pytest.raises(SlackError, match="already_reacted"):
        react(LIN)
    react(ADA, remove=True)
    with pytest.raises(SlackError, match="no_reaction"):
        react(ADA, remove=True)
    assert react(LIN, remove=True) == []


def test_a_whisper_is_found_by_its_reader_alone(town: InMemoryWorkspace) -> None:
    """An ephemeral message exists for one person until it is taken away."""
    whisper = town.workspace.whisper(GENERAL, ADA, {"user": LIN, "text": "psst"})
    assert town.workspace.whispered(GENERAL, ADA, whisper.ts) == whisper
    assert town.workspace.whispered(GENERAL, LIN, whisper.ts) is None
    assert town.workspace.history(GENERAL).find(whisper.ts) is None
    town.workspace.unwhisper(whisper)
    town.workspace.unwhisper(whisper)
    assert [change.only_for for change in town.find_changes("message_deleted")] == [ADA]


def test_a_status_ends_with_the_bots_reply_and_by_itself(town: InMemoryWorkspace) -> None:
    """What the app shows while it works is cleared by its reply, or after two minutes."""
    root = town.post_message("a")
    town.workspace.sessions.say(GENERAL, root.ts, "is thinking…")
    town.post_message("b", user=LIN, thread_ts=root.ts)
    assert town.workspace.sessions.lines(GENERAL) == {root.ts: "is thinking…"}
    town.post_message("c", user=STARCHAT.id, thread_ts=root.ts)
    assert town.workspace.sessions.lines(GENERAL) == {}
    town.workspace.sessions.say(GENERAL, root.ts, "again")
    town.clock_seconds += 121
    assert town.workspace.sessions.line(GENERAL, root.ts) == ""


def test_a_field_set_to_none_is_taken_away() -> None:
    """Editing can remove a field, such as the blocks that an edit with text alone drops."""
    message = Message(GENERAL, {"ts": "1.000000", "text": "a", "blocks": []})
    assert message.with_fields(text="b", blocks=None).body == {"ts": "1.000000", "text": "b"}


@pytest.mark.parametrize(
    ("kind", "scope", "subscription"),
    [
        (Kind.CHANNEL, "channels", "message.channels"),
        (Kind.GROUP, "groups", "message.groups"),
        (Kind.IM, "im", "message.im"),
        (Kind.MPIM, "mpim", "message.mpim"),
    ],
)
def test_each_kind_of_place_has_its_scope_and_event(
    kind: Kind, scope: str, subscription: str
) -> None:
    """Slack's words for the same place differ between scopes and events."""
    assert (kind.scope, kind.subscription) == (scope, subscription)


def test_a_direct_message_is_shown_as_the_other_person() -> None:
    """The channel object of a direct message names the other one, or oneself alone."""
    pair = Channel("D1", "", Kind.IM, [ADA, LIN])
    assert pair.as_slack(ADA)["user"] == LIN
    assert Channel("D2", "", Kind.IM, [ADA]).as_slack(ADA)["user"] == ADA
    assert "name" not in pair.as_slack(ADA)


def test_a_bot_shows_which_bot_it_is() -> None:
    """A bot's user object leads to its bot id, a person's to none."""
    shown = DEPLOYBOT.as_slack()
    assert (shown["is_bot"], shown["profile"]["bot_id"]) == (True, "B0DEPLOY01")
    assert DEPLOYBOT.bot_profile()["app_id"] == "A0DEPLOY01"
    assert "bot_id" not in InMemoryWorkspace().workspace.person(ADA).as_slack()["profile"]
