"""What Slack delivers, and what nobody should: each field bent in five ways, and other shapes."""

from collections.abc import Iterator
from typing import Any, Final

from testing.slack_events import ADA, CHANNEL, LIN, ME, body, message, reply, ts
from tests.adversarial.case import MENTION, Case, Door, End, Json, cases

CATEGORY: Final = "envelope"
WORD: Final = "periwinkle"
"""Stands in every question, and may stand in no log."""

OTHER_TEAM: Final = "T0OTHER001"

BENT: Final[dict[str, Any]] = {
    "dropped": None,
    "null": None,
    "number": 7,
    "list": [],
    "object": {},
}
FIELDS: Final = {
    "type": "iiiii",
    "user": "iiiii",
    "text": "iiiii",
    "ts": "iiiii",
    "channel": "iiiii",
    "channel_type": "aaaaa",
    "client_msg_id": "aaiii",
    "team": "aaaaa",
    "event_ts": "aaaaa",
    "blocks": "aaaaa",
    "thread_ts": "aaiaa",
    "subtype": "aaiaa",
    "edited": "aaiaa",
    "hidden": "aaiaa",
    "bot_id": "aaiaa",
    "user_profile": "aaaaa",
    "files": "aaaaa",
}
"""How the bot must take each field of an event in each form: a for answer, i for ignore."""
OUTER: Final = {
    "event": "iiiii",
    "team_id": "aaaaa",
    "authorizations": "aaaaa",
    "is_ext_shared_channel": "aaaaa",
}
ENDS: Final = {"a": End.ANSWER, "i": End.IGNORE}

GRID: Final = {"enterprise_id": "E0GRID0001", "team_id": ME.team, "is_enterprise_install": False}


def corpus() -> Iterator[Case]:
    """Return the category's cases."""
    for field, ends in FIELDS.items():
        for (form, value), end in zip(BENT.items(), ends, strict=True):
            whole = body(_event())
            whole["event"] = _changed(whole["event"], field, form, value)
            yield _bent(f"{field}-{form}", whole, end)
    for field, ends in OUTER.items():
        for (form, value), end in zip(BENT.items(), ends, strict=True):
            yield _bent(f"outer-{field}-{form}", _changed(body(_event()), field, form, value), end)
    yield from cases(CATEGORY, Door.ENVELOPE, End.ANSWER, _answered())
    yield from cases(CATEGORY, Door.ENVELOPE, End.REFUSE, _refused())
    yield from cases(CATEGORY, Door.ENVELOPE, End.IGNORE, _ignored())


def _bent(name: str, content: Json, end: str) -> Case:
    return Case(f"{CATEGORY}/{name}", CATEGORY, Door.ENVELOPE, content, ENDS[end])


def _changed(given: Json, field: str, form: str, value: Any) -> Json:
    left = {name: found for name, found in given.items() if name != field}
    return left if form == "dropped" else left | {field: value}


def _event(text: str = f"{MENTION} {WORD}", **more: Any) -> Json:
    """Return a mention as it comes in a public channel, with all that Slack adds."""
    return (
        message(
            1,
            text,
            channel=CHANNEL,
            channel_type="channel",
            client_msg_id="6f2c1b9e-0000-4000-8000-000000000001",
            team=ME.team,
            event_ts=ts(1),
            blocks=[{"type": "rich_text", "elements": []}],
        )
        | more
    )


def _answered() -> dict[str, Json]:
    shared = {"is_ext_shared_channel": True}
    grid = {"enterprise_id": "E0GRID0001", "authorizations": [GRID]}
    file = {"id": "F1", "name": "a\u202egnp.py", "mimetype": "text/x-python"}
    return {
        "app-mention": body(_event(type="app_mention")),
        "direct": body(_event("hi", channel="D01", channel_type="im")),
        "group-direct": body(_event(channel="G01", channel_type="mpim")),
        "private": body(_event(channel="G02", channel_type="group")),
        "file": body(_event(subtype="file_share", files=[file])),
        "broadcast": body(_event(subtype="thread_broadcast")),
        "connect-own": body(_event(user_team=ME.team, source_team=ME.team), **shared),
        "grid": body(_event(), **grid),
        "guest": body(_event(user_profile={"is_restricted": True})),
        "labelled": body(_event("<@U0STARCHAT|StarChat> hi")),
        "unknown-fields": body(_event() | {f"x_{n}": {"y": [n]} for n in range(200)}),
        "deep": body(_event(attachments=_deep(200))),
        "unfurled-mention": body(_event(attachments=[{"from_url": "https://evil.example"}])),
        "odd-file-names": body(_event(subtype="file_share", files=[{"name": 7}, {"title": "x"}])),
    }


def _deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def _refused() -> dict[str, Json]:
    shared = {"is_ext_shared_channel": True}
    return {
        "direct-empty": body(_event("", channel="D01", channel_type="im")),
        "direct-help": body(_event("help", channel="D01", channel_type="im")),
        "connect-external": body(_event(user_team=OTHER_TEAM), **shared),
        "connect-unknown": body(_event(team=None), **shared),
    }


def _ignored() -> dict[str, Json]:
    stamp = {"ts": ts(9), "event_ts": ts(9)}
    inner = message(2, "better")
    return {
        "nothing": {},
        "event-callback-alone": {"type": "event_callback"},
        "own": body(reply(3, "words")),
        "own-mention": body(_event(user=ME.user)),
        "other-bot": body(_event(user="U9", bot_id="B9", app_id="A9")),
        "nameless-bot": body(_event(subtype="bot_message", user=None)),
        "slackbot": body(_event(user="USLACKBOT")),
        "no-mention": body(_event("hi all")),
        "mention-of-another": body(_event(f"<@{LIN}> what does {MENTION} do?")),
        "group-direct-unasked": body(_event("hi", channel="G01", channel_type="mpim")),
        "join": body(_event(subtype="channel_join")),
        "topic": body(_event(subtype="channel_topic", topic=MENTION)),
        "me-message": body(_event(subtype="me_message")),
        "huddle": body(_event(subtype="huddle_thread", room={"id": "R1"})),
        "canvas": body(_event(subtype="channel_canvas_updated", canvas={"id": "F1"})),
        "changed": body({**_event(subtype="message_changed", hidden=True, message=inner), **stamp}),
        "changed-without-message": body(_event(subtype="message_changed")),
        "deleted": body(_event(subtype="message_deleted", deleted_ts=ts(1))),
        "deleted-nothing": body(_event(subtype="message_deleted")),
        "tombstone": body(
            _event(subtype="message_changed", message={"subtype": "tombstone", "ts": ts(2)})
        ),
        "unknown": body({"type": "quantum_message", "channel": CHANNEL}),
        "reaction": body({"type": "reaction_added", "user": ADA, "item": {"ts": ts(1)}}),
        "home-messages": body({"type": "app_home_opened", "user": ADA, "tab": "messages"}),
        "revoked-users": body({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}}),
        "revoked-odd": body({"type": "tokens_revoked", "tokens": 7}),
        "other-digits": body(_event(ts="١٧٠٠٠٠٠٠٠١.٠٠٠١٠٠")),
        "line-end-in-ts": body(_event(ts=f"{ts(1)}\n")),
        "negative-ts": body(_event(ts="-1.0")),
        "injected-channel": body(_event(channel="C1:*\r\nFLUSHALL")),
        "injected-user": body(_event(user="U1|x> <!here")),
        "injected-thread": body(_event(thread_ts="1.0:lease")),
        "injected-gesture": body(_event(client_msg_id="x:y*")),
        "long-gesture": body(_event(client_msg_id="x" * 65)),
        "injected-team": body(_event(), authorizations=[{"team_id": "T1-C1"}]),
        "surrogate-channel": body(_event(channel="C\ud800")),
    }
