"""
Controls below a finished reply: quiet buttons for the person who asked.

Slack has two blocks for them. `actions` takes plain buttons. `context_actions` takes icon buttons,
of which the trash is the only icon, and feedback buttons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Job
from contract.language import Language, Phrase
from contract.reply_details import ReplyDetails
from contract.rework import ReworkKind
from contract.texts import (
    ANOTHER_BUTTON,
    ANYWAY_BUTTON,
    BAD_LABEL,
    CONTINUE_BUTTON,
    CURRENT_CODE_BUTTON,
    DELETE_BUTTON,
    DELETE_LABEL,
    DELETE_QUESTION,
    DELETE_WARNING,
    DETAILS_BUTTON,
    GOOD_LABEL,
    KEEP_BUTTON,
    PREVIOUS_BUTTON,
    RAN_BUTTON,
    REGENERATE_BUTTON,
    REPLAY_BUTTON,
    SHOW_BUTTON,
    WITHDRAW_BUTTON,
)

DELETE_ACTION_ID: Final = "delete_reply"
"""`action_id` of the button that deletes a reply."""
DETAILS_ACTION_ID: Final = "show_details"
"""`action_id` of the button that shows how a reply was generated."""
VOTE_ACTION_ID: Final = "vote_reply"
"""`action_id` of the feedback buttons, with 👍 and 👎."""
CODE_ACTION_ID: Final = "current_code"
"""`action_id` of the button that puts the code of a thread together."""
RAN_ACTION_ID: Final = "code_ran"
"""`action_id` of the button by which a person tells that the code ran."""
WITHDRAW_ACTION_ID: Final = "withdraw_question"
"""`action_id` of the button by which a person takes a question out of earlier answers."""
NO_VERSION: Final = "-"
"""Word for the version of a reply without an id."""

CONTROL_BLOCKS: Final = frozenset({"actions", "context_actions"})
"""Types of the blocks that hold controls."""

REWORK_ACTION_IDS: Final = {kind: f"{kind}_reply" for kind in ReworkKind}
"""`action_id` of each button that asks for work on a reply."""
REWORK_BUTTONS: Final = {
    ReworkKind.REGENERATE: REGENERATE_BUTTON,
    ReworkKind.PREVIOUS: PREVIOUS_BUTTON,
    ReworkKind.ANOTHER: ANOTHER_BUTTON,
    ReworkKind.CONTINUE: CONTINUE_BUTTON,
    ReworkKind.REPLAY: REPLAY_BUTTON,
    ReworkKind.SHOW: SHOW_BUTTON,
    ReworkKind.ANYWAY: ANYWAY_BUTTON,
}

Block = dict[str, Any]


class ReplyAddress(BaseModel):
    """Reply to the question at `ts` in the thread at `thread_ts`, which `asker` asked."""

    model_config = ConfigDict(frozen=True)

    thread_ts: str = Field(pattern=TIMESTAMP_PATTERN)
    ts: str = Field(pattern=TIMESTAMP_PATTERN)
    asker: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)

    @classmethod
    def from_job(cls, job: Job) -> Self:
        """Return the address of the reply to a job."""
        return cls(thread_ts=job.thread.ts, ts=job.ts, asker=job.user)

    @classmethod
    def from_value(cls, value: str) -> Self:
        """Parse what `to_value` returned. Raises `ValueError`."""
        thread_ts, ts, asker = value.split(" ")
        return cls(thread_ts=thread_ts, ts=ts, asker=asker)

    def to_value(self) -> str:
        """Serialize the address for a button."""
        return f"{self.thread_ts} {self.ts} {self.asker}"


@dataclass(frozen=True, slots=True)
class ReplyVersions:
    """Whether a reply was cut or is covered, and whether Redis has other versions of it."""

    is_cut: bool = False
    has_previous: bool = False
    has_others: bool = False
    is_covered: bool = False


ONE_VERSION: Final = ReplyVersions()
"""A reply that is complete, and never had another version."""


def build_controls(
    address: ReplyAddress,
    details: ReplyDetails,
    versions: ReplyVersions = ONE_VERSION,
    *,
    language: Language,
    is_direct: bool,
    has_code: bool = False,
) -> tuple[Block, ...]:
    """
    Return the blocks with the controls of a reply, the most important one last.

    Others see the votes and *Current code* alone, except in a direct message. *It ran* and
    *Current code* are there if the reply `has_code`. The values hold all that a press needs: Redis
    forgets a job an hour after its end.
    """
    visible_to = [] if is_direct else [address.asker]
    vote = f"{address.to_value()} {details.reply_id or NO_VERSION}"
    buttons = []
    if has_code:
        label = RAN_BUTTON.translate(language)
        buttons.append(_build_button(RAN_ACTION_ID, label, f"ran {vote}", ()))
        label = CURRENT_CODE_BUTTON.translate(language)
        buttons.append(_build_button(CODE_ACTION_ID, label, address.to_value(), ()))
    shown = {
        ReworkKind.SHOW: versions.is_covered,
        ReworkKind.REGENERATE: bool(details.reply_id),
        ReworkKind.CONTINUE: versions.is_cut,
        ReworkKind.PREVIOUS: versions.has_previous,
        ReworkKind.ANOTHER: versions.has_others,
    }
    buttons += [
        build_rework_button(kind, address, details.reply_id, language, visible_to)
        for kind, is_shown in shown.items()
        if is_shown
    ]
    facts = f"{address.to_value()} {details.to_value()}"
    label = DETAILS_BUTTON.translate(language)
    buttons.append(_build_button(DETAILS_ACTION_ID, label, facts, visible_to))
    quiet = [
        _build_feedback_buttons(vote, language),
        _build_delete_button(address, language, visible_to),
    ]
    return (
        {"type": "actions", "elements": buttons},
        {"type": "context_actions", "elements": quiet},
    )


def build_pointer_controls(
    address: ReplyAddress, reply_id: str, *, language: Language, is_direct: bool
) -> tuple[Block, ...]:
    """
    Return the controls of a reply that points to an earlier answer.

    All who may ask here may have the question answered. Only the asker deletes the reply.
    """
    anyway = build_rework_button(ReworkKind.ANYWAY, address, reply_id, language)
    delete = _build_delete_button(address, language, [] if is_direct else [address.asker])
    return (
        {"type": "actions", "elements": [anyway]},
        {"type": "context_actions", "elements": [delete]},
    )


def build_rework_button(
    kind: ReworkKind,
    address: ReplyAddress,
    reply_id: str,
    language: Language,
    visible_to: Sequence[str] = (),
) -> Block:
    """Return the button that asks for work on one version of a reply."""
    value = f"{address.to_value()} {reply_id}"
    label = REWORK_BUTTONS[kind].translate(language)
    return _build_button(REWORK_ACTION_IDS[kind], label, value, visible_to)


def build_withdraw_button(address: ReplyAddress, language: Language) -> Block:
    """Return the button that takes a question out of what others are linked to."""
    label = WITHDRAW_BUTTON.translate(language)
    return _build_button(WITHDRAW_ACTION_ID, label, address.to_value(), ())


def _build_button(action_id: str, label: str, value: str, visible_to: Sequence[str]) -> Block:
    button: Block = {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": label},
        "value": value,
    }
    return button | ({"visible_to_user_ids": list(visible_to)} if visible_to else {})


def _build_feedback_buttons(vote: str, language: Language) -> Block:
    def build_side(mark: str, label: Phrase) -> Block:
        words = label.translate(language)
        text = {"type": "plain_text", "text": words}
        return {"text": text, "accessibility_label": words, "value": f"{mark} {vote}"}

    return {
        "type": "feedback_buttons",
        "action_id": VOTE_ACTION_ID,
        "positive_button": build_side("up", GOOD_LABEL),
        "negative_button": build_side("down", BAD_LABEL),
    }


def _build_delete_button(
    address: ReplyAddress, language: Language, visible_to: Sequence[str]
) -> Block:
    def build_text(words: Phrase) -> Block:
        return {"type": "plain_text", "text": words.translate(language)}

    label = DELETE_LABEL.translate(language)
    button = _build_button(DELETE_ACTION_ID, label, address.to_value(), visible_to)
    return button | {
        "type": "icon_button",
        "icon": "trash",
        "accessibility_label": label,
        "confirm": {
            "title": build_text(DELETE_QUESTION),
            "text": build_text(DELETE_WARNING),
            "confirm": build_text(DELETE_BUTTON),
            "deny": build_text(KEEP_BUTTON),
        },
    }
