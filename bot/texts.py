"""Pure: every sentence that a person reads from the bot, and the blocks that carry them."""

from typing import Any, Final

from bot.messages.admission import Verdict
from bot.messages.block_actions import ANSWER_AGAIN_ACTION_ID
from contract import queue_eta
from contract.worker_status import WorkerStatus

Blocks = list[dict[str, Any]]

HELP_TEXT: Final = (
    "Mention me with a question about code and I answer in the thread. After that you can go on "
    "without a mention while only you and I are talking. Paste code into the message; I cannot "
    "open files. Say `follow` to have me answer everybody in a thread, `mute` to have me answer "
    "mentions only, `forget` to have me drop my copy of the thread. I can be wrong: read what I "
    "write before you run it."
)
EMPTY_QUESTION: Final = (
    "What would you like to know? Write your question after my name. " + HELP_TEXT
)
FOLLOW_CONFIRMED: Final = (
    "I will answer every message in this thread that is not addressed to somebody else. "
    "Say `mute` to me to stop that."
)
MUTE_CONFIRMED: Final = (
    "I will answer in this thread only when you mention me. Say `follow` to me to change that."
)
THREAD_FORGOTTEN: Final = (
    "I have dropped my copy of this thread. What stands here in Slack I read again when you next "
    "mention me."
)
MEMBERS_ONLY: Final = (
    "I am sorry: in this workspace I may answer its own members only. Whoever runs me can "
    "change that."
)
QUESTION_TOO_LONG: Final = (
    "Your message is longer than I can take in. Shorten it to the part that matters and ask again."
)
NO_WORKER: Final = (
    "No worker is running at the moment. Your question is kept and will be answered as soon as "
    "one is back."
)
EDITED_AFTER_ANSWER: Final = (
    "You have edited your question after I answered it. Shall I answer it again?"
)
EDITED_WHILE_RUNNING: Final = (
    "You have edited your question while I answer it. I finish what I have begun; when it is "
    "done, I can answer again."
)
STILL_ANSWERING: Final = "Your question is being answered. Press again when the answer is there."
QUESTION_NOT_FOUND: Final = "I can no longer read that question. Please ask it again."
BEHIND_OWN_QUESTIONS: Final = (
    "Other questions of yours come first. This one is kept and follows them."
)
MODEL_LOADING: Final = (
    "The model is still being loaded. Your question is kept; it will be answered then."
)

COMMAND_REPLIES: Final = {
    Verdict.EMPTY: EMPTY_QUESTION,
    Verdict.HELP: HELP_TEXT,
    Verdict.FOLLOW: FOLLOW_CONFIRMED,
    Verdict.MUTE: MUTE_CONFIRMED,
    Verdict.FORGET: THREAD_FORGOTTEN,
    Verdict.OUTSIDER: MEMBERS_ONLY,
}
"""What the bot says to a message that is no question."""


def queue_full(seconds: float | None) -> str:
    """Say that too much is waiting, and when to try again."""
    return (
        "So many questions are waiting that I cannot take another one now. "
        f"Please ask again in {queue_eta.describe_duration(seconds)}."
    )


def user_quota_exceeded(waiting: int, seconds: float | None) -> str:
    """Say that one person has asked as much as one may, and when to try again."""
    questions = "One question" if waiting == 1 else f"{waiting} questions"
    return (
        f"{questions} of yours {'is' if waiting == 1 else 'are'} still waiting, and that is as "
        f"many as one person may have. Please ask again in {queue_eta.describe_duration(seconds)}."
    )


def placeholder_text(
    position: int, workers: tuple[WorkerStatus, ...], seconds: float | None, *, is_behind_own: bool
) -> str | None:
    """
    Say why an answer does not start at once; `None` if it does.

    `place` is how many questions are before this one; `held` says that it waits for earlier
    questions of the same person, so that free slots are of no use to it.
    """
    if not workers:
        return NO_WORKER
    ready = tuple(beat for beat in workers if not beat.loading)
    if not ready:
        return MODEL_LOADING
    free = sum(max(0, beat.slots - beat.busy_slots) for beat in ready)
    slots = sum(beat.slots for beat in ready)
    if is_behind_own:
        return BEHIND_OWN_QUESTIONS
    return (
        queue_eta.describe_position(position, seconds) if not free and position >= slots else None
    )


def context_blocks(text: str) -> Blocks:
    """Return a sentence as a block of small print, which is never read back as a reply."""
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}]


def reanswer_blocks(text: str, thread: str, ts: str, version: str) -> Blocks:
    """Return a sentence with the button that has a question answered again."""
    button = {
        "type": "button",
        "action_id": ANSWER_AGAIN_ACTION_ID,
        "text": {"type": "plain_text", "text": "Answer again"},
        "value": f"{thread} {ts} {version}",
    }
    return [_section_block(text), {"type": "actions", "elements": [button]}]


def status_text(pending: int, workers: tuple[WorkerStatus, ...], seconds: float | None) -> str:
    """Say how things stand, for `/starchat status` and the Home tab."""
    if not workers:
        return f"No worker is running. Questions that are kept: {pending}."
    if all(beat.loading for beat in workers):
        return f"The model is still being loaded. Questions that are kept: {pending}."
    busy, slots = sum(b.busy_slots for b in workers), sum(b.slots for b in workers)
    if not pending:
        return f"Ready: nothing is waiting, {slots} can be answered at the same time."
    sentence = f"Answering {busy} at the moment; {slots} can be answered at the same time."
    if seconds is not None and seconds >= 1:
        sentence += f" A new question would start in {queue_eta.describe_duration(seconds)}."
    return sentence


def purge_text(threads: int) -> str:
    """Say what `/starchat forget` has dropped."""
    copies = {0: "nothing of this channel", 1: "my copy of one thread"}
    return (
        f"I have dropped {copies.get(threads, f'my copies of {threads} threads')}. What stands in "
        "Slack stays there; I read a thread again when somebody next mentions me in it."
    )


def home_view(status_line: str) -> dict[str, Any]:
    """Return the Home tab."""
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "StarChat"}},
            _section_block(HELP_TEXT),
            {"type": "divider"},
            _section_block(status_line),
            *context_blocks(
                "`/starchat help`, `/starchat status` and `/starchat forget` work anywhere."
            ),
        ],
    }


def _section_block(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
