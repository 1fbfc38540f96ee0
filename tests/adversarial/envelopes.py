"""Event envelopes, valid and malformed: each field with five invalid values, and other shapes."""

from collections.abc import Iterator
from typing import Any, Final

from testing.slack_events import (
    ADA,
    BOT_IDENTITY,
    CHANNEL,
    LIN,
    make_body,
    make_message,
    make_reply,
    message_ts,
)
from tests.adversarial.case import MENTION, Case, CaseOutcome, EntryPoint, Json, build_cases

CATEGORY: Final = "envelope"
CANARY_WORD: Final = "periwinkle"
"""A word in every question that must appear in no log."""

OTHER_TEAM: Final = "T0OTHER001"

INVALID_VALUES: Final[dict[str, Any]] = {
    "dropped": None,
    "null": None,
    "number": 7,
    "list": [],
    "object": {},
}
FIELD_OUTCOMES: Final = {
    "type": "iiiii",
    "user": "iiiii",
    "text": "iiiii",
    "ts": "iiiii",
    "channel": "iiiii",
    "channel_type": "aaaaa",
    "client_msg_id": "aaaaa",
    "team": "aaaaa",
    "event_ts": "aaaaa",
    "blocks": "aaaaa",
    "thread_ts": "aaaaa",
    "subtype": "aaaaa",
    "edited": "aaaaa",
    "hidden": "aaaaa",
    "bot_id": "aaiaa",
    "user_profile": "aaaaa",
    "files": "aaaaa",
}
"""Outcome of each event field with each invalid value: `a` for answer, `i` for ignore."""
ENVELOPE_OUTCOMES: Final = {
    "event": "iiiii",
    "team_id": "aaaaa",
    "authorizations": "aaaaa",
    "is_ext_shared_channel": "aaaaa",
}
OUTCOME_CODES: Final = {"a": CaseOutcome.ANSWER, "i": CaseOutcome.IGNORE}

GRID_AUTHORIZATION: Final = {
    "enterprise_id": "E0GRID0001",
    "team_id": BOT_IDENTITY.team,
    "is_enterprise_install": False,
}


def generate_cases() -> Iterator[Case]:
    """Return the category's cases."""
    for field, outcomes in FIELD_OUTCOMES.items():
        for (form, value), outcome in zip(INVALID_VALUES.items(), outcomes, strict=True):
            envelope = make_body(_build_event())
            envelope["event"] = _replace_field(envelope["event"], field, form, value)
            yield _build_case(f"{field}-{form}", envelope, outcome)
    for field, outcomes in ENVELOPE_OUTCOMES.items():
        for (form, value), outcome in zip(INVALID_VALUES.items(), outcomes, strict=True):
            yield _build_case(
                f"outer-{field}-{form}",
                _replace_field(make_body(_build_event()), field, form, value),
                outcome,
            )
    yield from build_cases(CATEGORY, EntryPoint.ENVELOPE, CaseOutcome.ANSWER, _build_answered())
    yield from build_cases(CATEGORY, EntryPoint.ENVELOPE, CaseOutcome.REFUSE, _build_refused())
    yield from build_cases(CATEGORY, EntryPoint.ENVELOPE, CaseOutcome.IGNORE, _build_ignored())


def _build_case(name: str, content: Json, outcome: str) -> Case:
    return Case(
        f"{CATEGORY}/{name}", CATEGORY, EntryPoint.ENVELOPE, content, OUTCOME_CODES[outcome]
    )


def _replace_field(payload: Json, field: str, form: str, value: Any) -> Json:
    others = {name: kept for name, kept in payload.items() if name != field}
    return others if form == "dropped" else others | {field: value}


def _build_event(text: str = f"{MENTION} {CANARY_WORD}", **more: Any) -> Json:
    """Return a mention event in a public channel, with all fields that Slack adds."""
    return (
        make_message(
            1,
            text,
            channel=CHANNEL,
            channel_type="channel",
            client_msg_id="6f2c1b9e-0000-4000-8000-000000000001",
            team=BOT_IDENTITY.team,
            event_ts=message_ts(1),
            blocks=[{"type": "rich_text", "elements": []}],
        )
        | more
    )


def _build_answered() -> dict[str, Json]:
    shared = {"is_ext_shared_channel": True}
    grid = {"enterprise_id": "E0GRID0001", "authorizations": [GRID_AUTHORIZATION]}
    file = {"id": "F1", "name": "a\u202egnp.py", "mimetype": "text/x-python"}
    return {
        "app-mention": make_body(_build_event(type="app_mention")),
        "direct": make_body(_build_event("hi", channel="D01", channel_type="im")),
        "group-direct": make_body(_build_event(channel="G01", channel_type="mpim")),
        "private": make_body(_build_event(channel="G02", channel_type="group")),
        "file": make_body(_build_event(subtype="file_share", files=[file])),
        "broadcast": make_body(_build_event(subtype="thread_broadcast")),
        "connect-own": make_body(
            _build_event(user_team=BOT_IDENTITY.team, source_team=BOT_IDENTITY.team), **shared
        ),
        "grid": make_body(_build_event(), **grid),
        "guest": make_body(_build_event(user_profile={"is_restricted": True})),
        "labelled": make_body(_build_event("<@U0STARCHAT|StarChat> hi")),
        "unknown-fields": make_body(_build_event() | {f"x_{n}": {"y": [n]} for n in range(200)}),
        "deep": make_body(_build_event(attachments=_nest_lists(200))),
        "unfurled-mention": make_body(
            _build_event(attachments=[{"from_url": "https://evil.example"}])
        ),
        "mention-of-another": make_body(_build_event(f"<@{LIN}> what does {MENTION} do?")),
        "me-message": make_body(_build_event(subtype="me_message")),
        "injected-user": make_body(_build_event(user="U1|x> <!here")),
        "injected-thread": make_body(_build_event(thread_ts="1.0:lease")),
        "injected-client-msg-id": make_body(_build_event(client_msg_id="x:y*")),
        "long-client-msg-id": make_body(_build_event(client_msg_id="x" * 65)),
        "injected-team": make_body(_build_event(), authorizations=[{"team_id": "T1-C1"}]),
        "odd-file-names": make_body(
            _build_event(subtype="file_share", files=[{"name": 7}, {"title": "x"}])
        ),
    }


def _nest_lists(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


def _build_refused() -> dict[str, Json]:
    shared = {"is_ext_shared_channel": True}
    return {
        "direct-empty": make_body(_build_event("", channel="D01", channel_type="im")),
        "direct-help": make_body(_build_event("help", channel="D01", channel_type="im")),
        "connect-external": make_body(_build_event(user_team=OTHER_TEAM), **shared),
        "connect-unknown": make_body(_build_event(team=None), **shared),
    }


def _build_ignored() -> dict[str, Json]:
    stamp = {"ts": message_ts(9), "event_ts": message_ts(9)}
    inner = make_message(2, "better")
    return {
        "nothing": {},
        "event-callback-alone": {"type": "event_callback"},
        "own": make_body(make_reply(3, "words")),
        "own-mention": make_body(_build_event(user=BOT_IDENTITY.user_id)),
        "other-bot": make_body(_build_event(user="U9", bot_id="B9", app_id="A9")),
        "nameless-bot": make_body(_build_event(subtype="bot_message", user=None)),
        "slackbot": make_body(_build_event(user="USLACKBOT")),
        "no-mention": make_body(_build_event("hi all")),
        "group-direct-unasked": make_body(_build_event("hi", channel="G01", channel_type="mpim")),
        "join": make_body(_build_event(subtype="channel_join")),
        "topic": make_body(_build_event(subtype="channel_topic", topic=MENTION)),
        "huddle": make_body(_build_event(subtype="huddle_thread", room={"id": "R1"})),
        "canvas": make_body(_build_event(subtype="channel_canvas_updated", canvas={"id": "F1"})),
        "changed": make_body(
            {**_build_event(subtype="message_changed", hidden=True, message=inner), **stamp}
        ),
        "changed-without-message": make_body(_build_event(subtype="message_changed")),
        "deleted": make_body(_build_event(subtype="message_deleted", deleted_ts=message_ts(1))),
        "deleted-nothing": make_body(_build_event(subtype="message_deleted")),
        "tombstone": make_body(
            _build_event(
                subtype="message_changed", message={"subtype": "tombstone", "ts": message_ts(2)}
            )
        ),
        "unknown": make_body({"type": "quantum_message", "channel": CHANNEL}),
        "reaction": make_body(
            {"type": "reaction_added", "user": ADA, "item": {"ts": message_ts(1)}}
        ),
        "home-messages": make_body({"type": "app_home_opened", "user": ADA, "tab": "messages"}),
        "revoked-users": make_body({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}}),
        "revoked-odd": make_body({"type": "tokens_revoked", "tokens": 7}),
        "other-digits": make_body(_build_event(ts="١٧٠٠٠٠٠٠٠١.٠٠٠١٠٠")),
        "line-end-in-ts": make_body(_build_event(ts=f"{message_ts(1)}\n")),
        "negative-ts": make_body(_build_event(ts="-1.0")),
        "injected-channel": make_body(_build_event(channel="C1:*\r\nFLUSHALL")),
        "surrogate-channel": make_body(_build_event(channel="C\ud800")),
    }
