"""Messages that people read from the bot, and the blocks that carry them."""

from typing import Any, Final

from bot.messages.admission import Verdict
from bot.messages.block_actions import ANSWER_AGAIN_ACTION_ID
from bot.rules import texts as rule_texts
from contract import queue_eta
from contract.texts import MODEL_LOADING
from contract.usage import SECONDS_PER_DAY
from contract.worker_status import WorkerStatus

Blocks = list[dict[str, Any]]
MAX_NAME_CHARACTERS: Final = 80
"""Longest name in a line below a reply."""

HELP_TEXT: Final = (
    "Mention me with a question about code, and I'll answer in the thread.\n"
    "• While only you and I write in a thread, you don't need to mention me again.\n"
    "• Paste code, or attach text files: I read up to 8 files of a thread.\n"
    "• `follow`: I answer every message in this thread.\n"
    "• `mute`: I answer only messages that mention me.\n"
    "• `forget`: I delete my copy of this thread.\n"
    "• `stop`: I stop answering your questions in this thread.\n"
    "• `rules`: I show this channel's rules, and what I'm told here.\n"
    "I can be wrong, so read my code before you run it."
)
WELCOME: Final = (
    "Mention me with a question about code, and I'll answer it in a thread. "
    "I run a small language model that can be wrong, so read my code before you run it. "
    "To see everything I can do, mention me with `help`."
)
EMPTY_QUESTION: Final = (
    "What would you like to know? Write your question after my name.\n" + HELP_TEXT
)
FOLLOW_CONFIRMED: Final = (
    "I'll answer every message in this thread that isn't addressed to another person. "
    "To stop that, mention me with `mute`."
)
MUTE_CONFIRMED: Final = (
    "I'll answer only messages in this thread that mention me. "
    "To change that, mention me with `follow`."
)
THREAD_FORGOTTEN: Final = (
    "I deleted my copy of this thread. I'll read it again the next time you mention me."
)
MEMBERS_ONLY: Final = (
    "Only members of this workspace can ask me questions. An administrator can change this."
)
TOO_MANY_COMMANDS: Final = (
    "You have sent me more than 10 commands within a minute, so I didn't run this one. Please send "
    "it again in a minute."
)
AUTHOR_NOT_VERIFIED: Final = (
    "Slack didn't tell me whether you are a member of this workspace, and only members can ask me "
    "questions. Please ask again in a minute."
)
NO_WORKER: Final = (
    "No worker is running right now. Your question is queued, and I'll answer it when a worker "
    "is back."
)
EDITED_AFTER_ANSWER: Final = (
    "You edited your question after I answered it. Should I answer the new version?"
)
EDITED_WHILE_RUNNING: Final = (
    "You edited your question while I was answering it. I'll finish this answer first. "
    "Then I can answer the new version."
)
STILL_ANSWERING: Final = (
    "I'm still answering your question. Press the button again when the answer is complete."
)
QUESTION_KEPT: Final = "Your question is queued. I'll answer it here."
WAITS_IN_THREAD: Final = "will answer your question after the one before it."
WAITS_FOR_QUEUE: Final = "can't reach the queue. I'll answer your question as soon as I can."
QUESTION_NOT_READ: Final = "I couldn't read this question. Please ask it again."
QUESTION_NOT_FOUND: Final = "I can't find that question any more. Please ask it again."
NOTHING_TO_STOP: Final = (
    "None of your questions is waiting or being answered in this thread, so there's nothing to "
    "stop. Write `stop` in the thread of your question, or press its *Stop* button."
)
STOP_REFUSED: Final = (
    "Only the person who asked, or an administrator, can stop this reply. I'll finish it."
)
STOP_ENDED: Final = "That reply was already written, so there was nothing left to stop."
DELETE_REFUSED: Final = (
    "Only the person who asked, or an administrator, can delete this reply. It stays."
)
CONTROL_REFUSED: Final = "Only the person who asked can use that button."
REPLY_CHANGED: Final = (
    "That reply has changed since this button was shown. Please use the buttons below it now."
)
REPLY_NOT_KEPT: Final = (
    "I no longer keep this reply's text, so I couldn't bring it back if something went wrong. "
    "It stays as it is. Please ask again in this thread."
)
REPLY_DELETED: Final = "That reply was deleted, so I did nothing. Please ask again."
PREVIOUS_NOT_KEPT: Final = "I no longer keep the version before this one. The reply stays."
REPLY_NOT_CUT: Final = "That reply is complete, so there's nothing to continue."
LATER_TURN: Final = (
    "This thread has a later question that builds on that reply, so the reply stays. "
    "Please ask again in this thread."
)
REWORK_WAITS: Final = "will work on that reply when it's your turn."
CONTROL_UNREADABLE: Final = (
    "I can't read that button, so I did nothing. Please ask me again in this thread."
)
VOTE_DELAYED: Final = "I've kept your vote. I'll store it as soon as I can reach what I need."
VOTE_GONE: Final = "That reply was deleted, so I didn't store your vote."
VOTE_REFUSED: Final = "I couldn't store your vote. Please vote again in a few minutes."
VOTE_WITHDRAWN: Final = "You withdrew your vote on that reply. Press the button again to vote."
REASON_TITLE: Final = "What was wrong?"
REASON_QUESTION: Final = "Why was this a bad answer?"
REASON_SUBMIT: Final = "Send"
REASON_CLOSE: Final = "Skip"
REASON_NOTE: Final = "Your vote counts already. A reason is optional."
VOTE_REASONS: Final = {
    "broken": "Doesn't run",
    "wrong": "Wrong",
    "unsafe": "Unsafe",
    "invented": "Invented link or package",
    "other": "Other",
}
"""Label of each reason of a 👎."""
STOP_GONE: Final = (
    "There's nothing to stop here: that question was deleted, or its reply is already complete."
)
BEHIND_OWN_QUESTIONS: Final = (
    "You have other questions in progress. This one is queued behind them."
)

COMMAND_REPLIES: Final = {
    Verdict.EMPTY: EMPTY_QUESTION,
    Verdict.HELP: HELP_TEXT,
    Verdict.FOLLOW: FOLLOW_CONFIRMED,
    Verdict.MUTE: MUTE_CONFIRMED,
    Verdict.FORGET: THREAD_FORGOTTEN,
    Verdict.STOP: NOTHING_TO_STOP,
    Verdict.OUTSIDER: MEMBERS_ONLY,
    Verdict.UNVERIFIED: AUTHOR_NOT_VERIFIED,
    Verdict.RULES: rule_texts.RULES_OFFERED,
    Verdict.NOT_ALLOWED: rule_texts.NOT_ALLOWED,
    Verdict.CHANNEL_CLOSED: rule_texts.CHANNEL_CLOSED,
    Verdict.GROUP_UNREADABLE: rule_texts.GROUP_UNREADABLE,
    Verdict.RULES_UNREADABLE: rule_texts.RULES_UNREADABLE,
}
"""Reply to each message that is no question."""


def queue_full(seconds: float | None) -> str:
    """Tell that the queue is full and when to ask again; `seconds` is the expected wait."""
    return (
        "The queue is full, so I can't take your question now. "
        f"Please ask again in {queue_eta.describe_duration(seconds)}."
    )


def user_quota_exceeded(waiting: int, seconds: float | None) -> str:
    """Tell that a user has the maximum number of waiting questions, and when to ask again."""
    questions = "1 question" if waiting == 1 else f"{waiting} questions"
    return (
        f"You have {questions} waiting, the maximum for one person. "
        f"Please ask again in {queue_eta.describe_duration(seconds)}."
    )


def user_budget_exceeded(day: int) -> str:
    """Tell that a user's budget of a day (from 1970) is used up, and when the next one begins."""
    return (
        "Your share of today's GPU time is used up, or your questions in progress will use the "
        f"rest. You get a new share {describe_reset(day)}. Please ask again then."
    )


def channel_budget_exceeded(day: int) -> str:
    """Tell that a channel's budget of a day is used up, and when the next one begins."""
    return (
        "This channel's share of today's GPU time is used up, or the questions in progress here "
        f"will use the rest. It gets a new share {describe_reset(day)}. Please ask again then, "
        "or ask me in a direct message."
    )


def describe_reset(day: int) -> str:
    """Return when a day from 1970 ends, which Slack shows in each reader's time and language."""
    end = (day + 1) * SECONDS_PER_DAY
    return f"<!date^{end}^{{date_short_pretty}}, {{time}}|00:00 UTC>"


def placeholder_text(
    position: int, workers: tuple[WorkerStatus, ...], seconds: float | None, *, is_behind_own: bool
) -> str | None:
    """
    Tell why an answer does not start at once; `None` if it does.

    `position` counts the questions ahead of this one. `is_behind_own` is whether it waits for the
    same user's earlier questions, so that a free slot does not start it.
    """
    if not workers:
        return NO_WORKER
    ready = tuple(worker for worker in workers if not worker.loading)
    if not ready:
        return MODEL_LOADING
    free = sum(max(0, worker.slots - worker.busy_slots) for worker in ready)
    slots = sum(worker.slots for worker in ready)
    if is_behind_own:
        return BEHIND_OWN_QUESTIONS
    return (
        queue_eta.describe_position(position, seconds) if not free and position >= slots else None
    )


def describe_ran(name: str, count: int) -> str:
    """Tell for whom a reply's code ran: the first person and the number of all, at least 1."""
    if not name:
        return "✓ ran for 1 person" if count == 1 else f"✓ ran for {count} people"
    shown = " ".join(name.split())[:MAX_NAME_CHARACTERS]
    return f"✓ ran for {shown}" if count == 1 else f"✓ ran for {shown} ({count})"


def context_blocks(text: str) -> Blocks:
    """Return a text as a context block (small print), which is never read back as a reply."""
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}]


def reanswer_blocks(text: str, thread: str, ts: str, version: str) -> Blocks:
    """Return a text with the *Answer again* button for the question at `ts`."""
    button = {
        "type": "button",
        "action_id": ANSWER_AGAIN_ACTION_ID,
        "text": {"type": "plain_text", "text": "Answer again"},
        "value": f"{thread} {ts} {version}",
    }
    return [section_block(text), {"type": "actions", "elements": [button]}]


def status_text(pending: int, workers: tuple[WorkerStatus, ...], seconds: float | None) -> str:
    """Describe queue and workers, for `/starchat status` and the Home tab."""
    if not workers:
        return f"No worker is running. Queued questions: {pending}."
    if all(worker.loading for worker in workers):
        return f"The model is still loading. Queued questions: {pending}."
    busy = sum(worker.busy_slots for worker in workers)
    slots = sum(worker.slots for worker in workers)
    if not pending:
        return f"Ready. No question is waiting; I can answer {slots} at the same time."
    text = f"Answering {busy} of at most {slots} questions at the same time."
    if seconds is not None and seconds >= 1:
        text += f" A new question would start in {queue_eta.describe_duration(seconds)}."
    return text


def purge_text(threads: int) -> str:
    """Tell how many threads `/starchat forget` deleted."""
    copies = {0: "I had no copy of a thread in this channel.", 1: "I deleted my copy of 1 thread."}
    deleted = copies.get(threads, f"I deleted my copies of {threads} threads.")
    return (
        f"{deleted} Your messages stay in Slack. I'll read a thread again the next time someone "
        "mentions me in it."
    )


def section_block(text: str) -> dict[str, Any]:
    """Return a text as a section block."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
