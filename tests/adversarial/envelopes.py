"""What Slack delivers, and what nobody should: each field bent in five ways, and other shapes."""

from collections.abc import Iterator
from typing import Any, Final

from testing.slack_events import ADA, CHANNEL, LIN, ME, body, message, reply, ts
from tests.adversarial.case import MENTION, Case, CaseOutcome, EntryPoint, Json, build_cases

CATEGORY: Final = "envelope"
CANARY_WORD: Final = "periwinkle"
"""Stands in every question, and may stand in no log."""

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
ENVELOPE_OUTCOMES: Final = {
    "event": "iiiii",
    "team_id": "aaaaa",
    "authorizations": "aaaaa",
    "is_ext_shared_channel": "aaaaa",
}
OUTCOME_CODES: Final = {"a": CaseOutcome.ANSWER, "i": CaseOutcome.IGNORE}

GRID_AUTHORIZATION: Final = {
    "enterprise_id": "E0GRID0001",
    "team_id": ME.team,
    "is_enterprise_install": False,
}


def generate_cases() -> Iterator[Case]:
    """Return the category's cases."""
    for field, outcomes in FIELD_OUTCOMES.items():
        for (form, value), outcome in zip(INVALID_VALUES.items(), outcomes, strict=True):
            envelope = body(_build_event())
            envelope["event"] = _replace_field(envelope["event"], field, form, value)
            yield _build_case(f"{field}-{form}", envelope, outcome)
    for field, outcomes in ENVELOPE_OUTCOMES.items():
        for (form, value), outcome in zip(INVALID_VALUES.items(), outcomes, strict=True):
            yield _build_case(
                f"outer-{field}-{form}",
                _replace_field(body(_build_event()), field, form, value),
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
    others = {name: found for name, found in payload.items() if name != field}
    return others if form == "dropped" else others | {field: value}


def _build_event(text: str = f"{MENTION} {CANARY_WORD}", **more: Any) -> Json:
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


def _build_answered() -> dict[str, Json]:
    shared = {"is_ext_shared_channel": True}
    grid = {"enterprise_id": "E0GRID0001", "authorizations": [GRID_AUTHORIZATION]}
    file = {"id": "F1", "name": "a\u202egnp.py", "mimetype": "text/x-python"}
    return {
        "app-mention": body(_build_event(type="app_mention")),
        "direct": body(_build_event("hi", channel="D01", channel_type="im")),
        "group-direct": body(_build_event(channel="G01", channel_type="mpim")),
        "private": body(_build_event(channel="G02", channel_type="group")),
        "file": body(_build_event(subtype="file_share", files=[file])),
        "broadcast": body(_build_event(subtype="thread_broadcast")),
        "connect-own": body(_build_event(user_team=ME.team, source_team=ME.team), **shared),
        "grid": body(_build_event(), **grid),
        "guest": body(_build_event(user_profile={"is_restricted": True})),
        "labelled": body(_build_event("<@U0STARCHAT|StarChat> hi")),
        "unknown-fields": body(_build_event() | {f"x_{n}": {"y": [n]} for n in range(200)}),
        "deep": body(_build_event(attachments=_nest_lists(200))),
        "unfurled-mention": body(_build_event(attachments=[{"from_url": "https://evil.example"}])),
        "odd-file-names": body(
            _build_event(subtype="file_share", files=[{"name": 7}, {"title": "x"}])
        ),
    }


def _nest_lists(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def _build_refused() -> dict[str, Json]:
    shared = {"is_ext_shared_channel": True}
    return {
        "direct-empty": body(_build_event("", channel="D01", channel_type="im")),
        "direct-help": body(_build_event("help", channel="D01", channel_type="im")),
        "connect-external": body(_build_event(user_team=OTHER_TEAM), **shared),
        "connect-unknown": body(_build_event(team=None), **shared),
    }


def _build_ignored() -> dict[str, Json]:
    stamp = {"ts": ts(9), "event_ts": ts(9)}
    inner = message(2, "better")
    return {
        "nothing": {},
        "event-callback-alone": {"type": "event_callback"},
        "own": body(reply(3, "words")),
        "own-mention": body(_build_event(user=ME.user)),
        "other-bot": body(_build_event(user="U9", bot_id="B9", app_id="A9")),
        "nameless-bot": body(_build_event(subtype="bot_message", user=None)),
        "slackbot": body(_build_event(user="USLACKBOT")),
        "no-mention": body(_build_event("hi all")),
        "mention-of-another": body(_build_event(f"<@{LIN}> what does {MENTION} do?")),
        "group-direct-unasked": body(_build_event("hi", channel="G01", channel_type="mpim")),
        "join": body(_build_event(subtype="channel_join")),
        "topic": body(_build_event(subtype="channel_topic", topic=MENTION)),
        "me-message": body(_build_event(subtype="me_message")),
        "huddle": body(_build_event(subtype="huddle_thread", room={"id": "R1"})),
        "canvas": body(_build_event(subtype="channel_canvas_updated", canvas={"id": "F1"})),
        "changed": body(
            {**_build_event(subtype="message_changed", hidden=True, message=inner), **stamp}
        ),
        "changed-without-message": body(_build_event(subtype="message_changed")),
        "deleted": body(_build_event(subtype="message_deleted", deleted_ts=ts(1))),
        "deleted-nothing": body(_build_event(subtype="message_deleted")),
        "tombstone": body(
            _build_event(subtype="message_changed", message={"subtype": "tombstone", "ts": ts(2)})
        ),
        "unknown": body({"type": "quantum_message", "channel": CHANNEL}),
        "reaction": body({"type": "reaction_added", "user": ADA, "item": {"ts": ts(1)}}),
        "home-messages": body({"type": "app_home_opened", "user": ADA, "tab": "messages"}),
        "revoked-users": body({"type": "tokens_revoked", "tokens": {"oauth": ["U1"]}}),
        "revoked-odd": body({"type": "tokens_revoked", "tokens": 7}),
        "other-digits": body(_build_event(ts="١٧٠٠٠٠٠٠٠١.٠٠٠١٠٠")),
        "line-end-in-ts": body(_build_event(ts=f"{ts(1)}\n")),
        "negative-ts": body(_build_event(ts="-1.0")),
        "injected-channel": body(_build_event(channel="C1:*\r\nFLUSHALL")),
        "injected-user": body(_build_event(user="U1|x> <!here")),
        "injected-thread": body(_build_event(thread_ts="1.0:lease")),
        "injected-gesture": body(_build_event(client_msg_id="x:y*")),
        "long-gesture": body(_build_event(client_msg_id="x" * 65)),
        "injected-team": body(_build_event(), authorizations=[{"team_id": "T1-C1"}]),
        "surrogate-channel": body(_build_event(channel="C\ud800")),
    }
