"""Details of a reply as lines of plain text, which Slack shows literally."""

from typing import Any, Final

from contract.reply_controls import ReplyAddress, build_rework_button
from contract.reply_details import ReplyDetails
from contract.rework import ReworkKind

TITLE: Final = "Details of this reply"
MS_PER_SECOND: Final = 1000
REPLAY_PROMISE: Final = (
    "Replay generates this reply once more with the same seed and says whether it is the same. In "
    "our tests, float32 on a CPU gives the same text beside any other replies."
)
NO_REPLAY: Final = (
    "No replay: on this device, or for a reply that was cut by hand or continued, the same seed "
    "may give another text."
)


def build_detail_blocks(address: ReplyAddress, details: ReplyDetails) -> list[dict[str, Any]]:
    """Return the details as blocks. Nothing in them can mention, link or format."""
    can_replay = details.is_reproducible and bool(details.reply_id)
    lines = [*describe_details(details), "", REPLAY_PROMISE if can_replay else NO_REPLAY]
    words = {"type": "plain_text", "text": "\n".join(lines), "emoji": False}
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": TITLE}},
        {"type": "section", "text": words},
    ]
    if can_replay:
        button = build_rework_button(ReworkKind.REPLAY, address, details.reply_id)
        blocks.append({"type": "actions", "elements": [button]})
    return blocks


def describe_details(details: ReplyDetails) -> list[str]:
    """Return one line for each group of facts."""
    revision = f", revision {details.revision}" if details.revision else ""
    return [
        f"Model: {details.model or 'unknown'}{revision}",
        f"Engine: built-in, on {details.device or 'an unknown device'}, {details.dtype}",
        f"Seed: {details.seed}",
        f"Sampling: {_describe_sampling(details)}, at most {details.max_new_tokens:,} tokens",
        f"Tokens: {details.prompt_tokens:,} in, {details.new_tokens:,} out",
        f"Context: {_describe_context(details)}",
        f"Time: {_describe_times(details)}",
        f"Checks: {details.checks or 'no code to check'}",
        f"Id: {details.reply_id}",
    ]


def _describe_sampling(details: ReplyDetails) -> str:
    if not details.temperature:
        return "greedy"
    return f"temperature {details.temperature:g}, top_k {details.top_k}, top_p {details.top_p:g}"


def _describe_context(details: ReplyDetails) -> str:
    parts = [
        _count(details.left_out_turns, "message", "left out"),
        _count(details.shortened_turns, "message", "shortened"),
        _count(details.files_read, "file", "read"),
        _count(details.files_left_out, "file", "left out"),
    ]
    return ", ".join(part for part in parts if part) or "all messages, no files"


def _count(number: int, noun: str, what: str) -> str:
    if not number:
        return ""
    return f"{number:,} {noun if number == 1 else noun + 's'} {what}"


def _describe_times(details: ReplyDetails) -> str:
    seconds = details.total_ms / MS_PER_SECOND
    rate = f", {details.new_tokens / seconds:,.1f} tokens a second" if seconds else ""
    waited = details.wait_ms / MS_PER_SECOND
    first = details.first_text_ms / MS_PER_SECOND
    used = details.gpu_ms / MS_PER_SECOND
    shown = f"waited {waited:,.1f} s in line, first words after {first:,.1f} s{rate}"
    return f"{shown}, {used:,.1f} s of the engine's time" if used else shown
