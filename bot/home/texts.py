"""Sentences of the Home tab."""

from typing import Final

from bot import texts
from bot.messages.votes.model_votes import ModelVotes
from contract.language import Phrase, PluralPhrase, Translatable

MS_PER_SECOND: Final = 1000
SECONDS_PER_MINUTE: Final = 60

LIMITS: Final = Phrase(
    "*What I am:* a small language model on your organization's own machines.\n"
    "• I read only the thread in which you ask, with its text files. I can't browse or run "
    "anything.\n"
    "• I may invent packages, addresses and functions. My code may be wrong or insecure."
)
NOT_TRAINED: Final = Phrase("• I'm not trained with what you write.")
VOTES_KEEP_TEXT: Final = Phrase(
    "• A vote on a reply keeps the reply and the thread above it. Your organization may train me "
    "with them."
)
QUEUE_AWAY: Final = Phrase(
    "I can't reach my queue right now, so I can't show you more. Please open this page again in a "
    "minute."
)
NOW_TITLE: Final = Phrase("*Right now*")
QUESTIONS_TITLE: Final = Phrase("*Your questions of the last seven days*")
NO_QUESTIONS: Final = Phrase("None of your questions has a reply yet.")
MORE_QUESTIONS: Final = Phrase("Only the newest ones are shown.")
DIRECT_MESSAGE: Final = Phrase("direct message")
CLEAR_BUTTON: Final = Phrase("Clear this list")
LANGUAGE_TITLE: Final = Phrase(
    "*Language:* I speak to you as your Slack does, unless you choose another language here. A "
    "channel may have a language of its own."
)
LANGUAGE_LABEL: Final = Phrase("Language")
LANGUAGE_OF_SLACK: Final = Phrase("As in Slack")
COMMANDS_OFFERED: Final = Phrase(
    "`/starchat ask`, `/starchat help`, `/starchat status`, `/starchat rules`, "
    "`/starchat settings` and `/starchat forget` work in any channel."
)
ADMIN_TITLE: Final = Phrase("*For administrators*")
NO_WORKERS: Final = Phrase("No worker is running.")


def describe_own_use(replies: int, gpu_ms: int) -> Translatable:
    """Tell what a person's replies of the week used."""
    return PluralPhrase(
        "*Your last seven days:* {count:,} reply, {seconds:,} s of GPU time.",
        "*Your last seven days:* {count:,} replies, {seconds:,} s of GPU time.",
        replies,
        seconds=round(gpu_ms / MS_PER_SECOND),
    )


def describe_team_use(replies: int, gpu_ms: int) -> Translatable:
    """Tell what all replies of the week used."""
    return PluralPhrase(
        "*Everyone's last seven days:* {count:,} reply, {seconds:,} s of GPU time.",
        "*Everyone's last seven days:* {count:,} replies, {seconds:,} s of GPU time.",
        replies,
        seconds=round(gpu_ms / MS_PER_SECOND),
    )


def describe_median_wait(seconds: int) -> Translatable:
    """Tell within which time half of the replies began (s)."""
    if seconds < SECONDS_PER_MINUTE:
        return PluralPhrase(
            "Half of the replies began within {count} second.",
            "Half of the replies began within {count} seconds.",
            seconds,
        )
    return PluralPhrase(
        "Half of the replies began within {count} minute.",
        "Half of the replies began within {count} minutes.",
        seconds // SECONDS_PER_MINUTE,
    )


def describe_budget(used_ms: int, budget_seconds: int, day: int) -> Translatable:
    """Tell how much of a person's budget of a day (from 1970) is used, and when it resets."""
    return Phrase(
        "Today you have used {used:,} of your {budget:,} s. You get a new share {reset}.",
        used=round(used_ms / MS_PER_SECOND),
        budget=budget_seconds,
        reset=texts.describe_reset(day),
    )


def describe_open_questions(count: int) -> Translatable:
    """Tell how many questions of a person wait or are being answered."""
    return PluralPhrase(
        "{count} question of yours is waiting or being answered.",
        "{count} questions of yours are waiting or being answered.",
        count,
    )


def describe_workers(ready: int, loading: int, busy: int, slots: int) -> Translatable:
    """Tell an administrator what the workers do."""
    return Phrase(
        "Workers: {ready} ready, {loading} loading. Slots: {busy} of {slots} busy.",
        ready=ready,
        loading=loading,
        busy=busy,
        slots=slots,
    )


def describe_rules_age(time: str | None) -> Translatable:
    """Tell an administrator when the rules of channels were read last; `None` is never."""
    if time is None:
        return Phrase("The rules of channels haven't been read from the database yet.")
    return Phrase("Rules of channels: last compared with the database {time}.", time=time)


def describe_votes(model: str, votes: ModelVotes) -> Translatable:
    """Tell an administrator how people voted on a model's replies, and what the parsers found."""
    return Phrase(
        "*{model}*, votes of seven days: {up:,} 👍, {down:,} 👎, ran for {ran:,}. "
        "Of {blocks:,} code blocks that a parser has read, {parsed:,} parse.",
        model=model,
        up=votes.up,
        down=votes.down,
        ran=votes.ran,
        parsed=votes.parsed_blocks,
        blocks=votes.blocks,
    )


def describe_today(replies: int, gpu_ms: int, pending: int) -> Translatable:
    """Tell an administrator the sums of today, and the length of the queue."""
    return Phrase(
        "Replies today: {replies:,}. GPU time today: {seconds:,} s. "
        "Unanswered questions: {pending:,}.",
        replies=replies,
        seconds=round(gpu_ms / MS_PER_SECOND),
        pending=pending,
    )
