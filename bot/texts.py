"""Messages that people read from the bot, and the blocks that carry them."""

from collections.abc import Mapping
from typing import Any, Final

from bot.messages.admission import Verdict
from bot.messages.block_actions import ANSWER_AGAIN_ACTION_ID
from bot.rules import texts as rule_texts
from contract import queue_eta
from contract.language import JoinedPhrases, Language, Phrase, PluralPhrase, Translatable
from contract.texts import MODEL_LOADING, join_sentences
from contract.usage import SECONDS_PER_DAY
from contract.worker_status import WorkerStatus

Blocks = list[dict[str, Any]]
MAX_NAME_CHARACTERS: Final = 80
"""Longest name in a line below a reply."""

HELP_TEXT: Final = Phrase(
    "Mention me with a question about code, and I'll answer in the thread.\n"
    "• While only you and I write in a thread, you don't need to mention me again.\n"
    "• Paste code, or attach text files: I read up to 8 files of a thread.\n"
    "• *Ask StarChat about this* in a message's menu: I answer in its thread.\n"
    "• `/starchat ask`: I answer in our direct message, which only you see.\n"
    "• `follow`: I answer every message in this thread.\n"
    "• `mute`: I answer only messages that mention me.\n"
    "• `forget`: I delete my copy of this thread.\n"
    "• `stop`: I stop answering your questions in this thread.\n"
    "• `rules`: I show this channel's rules, and what I'm told here.\n"
    "• `current code`: I put this thread's code together, as files.\n"
    "I can be wrong, so read my code before you run it."
)
WELCOME: Final = Phrase(
    "Mention me with a question about code, and I'll answer it in a thread. "
    "I run a small language model that can be wrong, so read my code before you run it. "
    "To see everything I can do, mention me with `help`."
)
EMPTY_QUESTION: Final = JoinedPhrases(
    [Phrase("What would you like to know? Write your question after my name."), HELP_TEXT]
)
FOLLOW_CONFIRMED: Final = Phrase(
    "I'll answer every message in this thread that isn't addressed to another person. "
    "To stop that, mention me with `mute`."
)
MUTE_CONFIRMED: Final = Phrase(
    "I'll answer only messages in this thread that mention me. "
    "To change that, mention me with `follow`."
)
THREAD_FORGOTTEN: Final = Phrase(
    "I deleted my copy of this thread. I'll read it again the next time you mention me."
)
MEMBERS_ONLY: Final = Phrase(
    "Only members of this workspace can ask me questions. An administrator can change this."
)
TOO_MANY_COMMANDS: Final = Phrase(
    "You have sent me more than 10 commands within a minute, so I didn't run this one. Please send "
    "it again in a minute."
)
AUTHOR_NOT_VERIFIED: Final = Phrase(
    "Slack didn't tell me whether you are a member of this workspace, and only members can ask me "
    "questions. Please ask again in a minute."
)
NO_WORKER: Final = Phrase(
    "No worker is running right now. Your question is queued, and I'll answer it when a worker "
    "is back."
)
EDITED_AFTER_ANSWER: Final = Phrase(
    "You edited your question after I answered it. Should I answer the new version?"
)
EDITED_WHILE_RUNNING: Final = Phrase(
    "You edited your question while I was answering it. I'll finish this answer first. "
    "Then I can answer the new version."
)
ANSWER_AGAIN: Final = Phrase("Answer again")
STILL_ANSWERING: Final = Phrase(
    "I'm still answering your question. Press the button again when the answer is complete."
)
QUESTION_KEPT: Final = Phrase("Your question is queued. I'll answer it here.")
WAITS_IN_THREAD: Final = Phrase("will answer your question after the one before it.")
WAITS_FOR_QUEUE: Final = Phrase(
    "can't reach the queue. I'll answer your question as soon as I can."
)
QUESTION_NOT_READ: Final = Phrase("I couldn't read this question. Please ask it again.")
QUESTION_NOT_FOUND: Final = Phrase("I can't find that question any more. Please ask it again.")
NOTHING_TO_STOP: Final = Phrase(
    "None of your questions is waiting or being answered in this thread, so there's nothing to "
    "stop. Write `stop` in the thread of your question, or press its *Stop* button."
)
STOP_REFUSED: Final = Phrase(
    "Only the people who asked for this reply, or an administrator, can stop it. I'll finish it."
)
STOP_ENDED: Final = Phrase("That reply was already written, so there was nothing left to stop.")
DELETE_REFUSED: Final = Phrase(
    "Only the person who asked, or an administrator, can delete this reply. It stays."
)
CONTROL_REFUSED: Final = Phrase("Only the person who asked can use that button.")
REPLY_CHANGED: Final = Phrase(
    "That reply has changed since this button was shown. Please use the buttons below it now."
)
REPLY_NOT_KEPT: Final = Phrase(
    "I no longer keep this reply's text, so I couldn't bring it back if something went wrong. "
    "It stays as it is. Please ask again in this thread."
)
REPLY_DELETED: Final = Phrase("That reply was deleted, so I did nothing. Please ask again.")
OTHERS_NOT_KEPT: Final = Phrase("I keep no other candidate of this reply. The reply stays.")
PREVIOUS_NOT_KEPT: Final = Phrase("I no longer keep the version before this one. The reply stays.")
REPLY_NOT_CUT: Final = Phrase("That reply is complete, so there's nothing to continue.")
LATER_TURN: Final = Phrase(
    "This thread has a later question that builds on that reply, so the reply stays. "
    "Please ask again in this thread."
)
REWORK_WAITS: Final = Phrase("will work on that reply when it's your turn.")
CONTROL_UNREADABLE: Final = Phrase(
    "I can't read that button, so I did nothing. Please ask me again in this thread."
)
VOTE_DELAYED: Final = Phrase(
    "I've kept your vote. I'll store it as soon as I can reach what I need."
)
VOTE_GONE: Final = Phrase("That reply was deleted, so I didn't store your vote.")
VOTE_REFUSED: Final = Phrase("I couldn't store your vote. Please vote again in a few minutes.")
VOTE_WITHDRAWN: Final = Phrase(
    "You withdrew your vote on that reply. Press the button again to vote."
)
REASON_TITLE: Final = Phrase("What was wrong?")
REASON_QUESTION: Final = Phrase("Why was this a bad answer?")
REASON_SUBMIT: Final = Phrase("Send")
REASON_CLOSE: Final = Phrase("Skip")
REASON_NOTE: Final = Phrase("Your vote counts already. A reason is optional.")
VOTE_REASONS: Final = {
    "broken": Phrase("Doesn't run"),
    "wrong": Phrase("Wrong"),
    "unsafe": Phrase("Unsafe"),
    "invented": Phrase("Invented link or package"),
    "other": Phrase("Other"),
}
"""Label of each reason of a 👎."""
STOP_GONE: Final = Phrase(
    "There's nothing to stop here: that question was deleted, or its reply is already complete."
)
COPY_RETURNS: Final = Phrase(
    "Your messages stay in Slack. I'll read a thread again the next time someone mentions me in it."
)
BEHIND_OWN_QUESTIONS: Final = Phrase(
    "You have other questions in progress. This one is queued behind them."
)

COMMAND_REPLIES: Final[Mapping[Verdict, Translatable]] = {
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


def queue_full(seconds: float | None) -> Translatable:
    """Tell that the queue is full and when to ask again; `seconds` is the expected wait."""
    return Phrase(
        "The queue is full, so I can't take your question now. Please ask again in {duration}.",
        duration=queue_eta.describe_duration(seconds),
    )


def user_quota_exceeded(waiting: int, seconds: float | None) -> Translatable:
    """Tell that a user has the maximum number of waiting questions, and when to ask again."""
    return PluralPhrase(
        "You have {count} question waiting, the maximum for one person. "
        "Please ask again in {duration}.",
        "You have {count} questions waiting, the maximum for one person. "
        "Please ask again in {duration}.",
        waiting,
        duration=queue_eta.describe_duration(seconds),
    )


def user_budget_exceeded(day: int) -> Translatable:
    """Tell that a user's budget of a day (from 1970) is used up, and when the next one begins."""
    return Phrase(
        "Your share of today's GPU time is used up, or your questions in progress will use the "
        "rest. You get a new share {time}. Please ask again then.",
        time=describe_reset(day),
    )


def channel_budget_exceeded(day: int) -> Translatable:
    """Tell that a channel's budget of a day is used up, and when the next one begins."""
    return Phrase(
        "This channel's share of today's GPU time is used up, or the questions in progress here "
        "will use the rest. It gets a new share {time}. Please ask again then, or ask me in a "
        "direct message.",
        time=describe_reset(day),
    )


def describe_reset(day: int) -> str:
    """Return when a day from 1970 ends, which Slack shows in each reader's time and language."""
    end = (day + 1) * SECONDS_PER_DAY
    return f"<!date^{end}^{{date_short_pretty}}, {{time}}|00:00 UTC>"


def placeholder_text(
    position: int, workers: tuple[WorkerStatus, ...], seconds: float | None, *, is_behind_own: bool
) -> Translatable | None:
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


def describe_ran(name: str, count: int) -> Translatable:
    """Tell for whom a reply's code ran: the first person and the number of all, at least 1."""
    if not name:
        return PluralPhrase("✓ ran for {count} person", "✓ ran for {count} people", count)
    shown = " ".join(name.split())[:MAX_NAME_CHARACTERS]
    if count == 1:
        return Phrase("✓ ran for {name}", name=shown)
    return Phrase("✓ ran for {name} ({count})", name=shown, count=count)


def context_blocks(text: str) -> Blocks:
    """Return a text as a context block (small print), which is never read back as a reply."""
    return [{"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}]


def reanswer_blocks(
    text: str, language: Language, address: tuple[str, str], version: str
) -> Blocks:
    """Return a text with the *Answer again* button; `address` is thread and question (`ts`)."""
    thread, ts = address
    button = {
        "type": "button",
        "action_id": ANSWER_AGAIN_ACTION_ID,
        "text": {"type": "plain_text", "text": ANSWER_AGAIN.translate(language)},
        "value": f"{thread} {ts} {version}",
    }
    return [section_block(text), {"type": "actions", "elements": [button]}]


def status_text(
    pending: int, workers: tuple[WorkerStatus, ...], seconds: float | None
) -> Translatable:
    """Describe queue and workers, for `/starchat status` and the Home tab."""
    if not workers:
        return Phrase("No worker is running. Queued questions: {count}.", count=pending)
    if all(worker.loading for worker in workers):
        return Phrase("The model is still loading. Queued questions: {count}.", count=pending)
    busy = sum(worker.busy_slots for worker in workers)
    slots = sum(worker.slots for worker in workers)
    if not pending:
        return Phrase(
            "Ready. No question is waiting; I can answer {slots} at the same time.", slots=slots
        )
    text = Phrase(
        "Answering {busy} of at most {slots} questions at the same time.", busy=busy, slots=slots
    )
    if seconds is None or seconds < 1:
        return text
    start = Phrase(
        "A new question would start in {duration}.", duration=queue_eta.describe_duration(seconds)
    )
    return join_sentences(text, start)


def purge_text(threads: int) -> Translatable:
    """Tell how many threads `/starchat forget` deleted."""
    deleted: Translatable = Phrase("I had no copy of a thread in this channel.")
    if threads:
        deleted = PluralPhrase(
            "I deleted my copy of {count} thread.",
            "I deleted my copies of {count} threads.",
            threads,
        )
    return join_sentences(deleted, COPY_RETURNS)


def section_block(text: str) -> dict[str, Any]:
    """Return a text as a section block."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
