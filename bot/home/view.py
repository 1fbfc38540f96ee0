"""View of the Home tab: blocks of what a person may see, within Slack's limits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot import texts
from bot.home import texts as home_texts
from bot.messages.mrkdwn import escape_text
from bot.messages.research_texts import RESEARCH_NOTICE
from bot.messages.votes.model_votes import ModelVotes
from contract.job import Thread
from contract.language import LANGUAGE_NAMES, JoinedPhrases, Language, Translatable
from contract.usage import Usage
from contract.worker_status import WorkerStatus

LANGUAGE_ACTION_ID: Final = "home_language"
"""`action_id` of the choice of a language."""
CLEAR_ACTION_ID: Final = "home_clear"
"""`action_id` of the button that deletes the list of a person's questions."""
LANGUAGE_OF_SLACK: Final = "slack"
"""Value of the choice that leaves the language to Slack's locale."""
MAX_SHOWN_QUESTIONS: Final = 10
MAX_SETTING_CHARACTERS: Final = 200
REVISION_CHARACTERS: Final = 8

View = dict[str, Any]
Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PersonalUse:
    """
    Usage of one person: of the week, and of `today`, a day from 1970.

    `budget_seconds` is 0 without a budget. `open_questions` are not answered yet.
    """

    week: Usage
    today: Usage
    day: int
    budget_seconds: int
    open_questions: int


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """Place of a question with a reply; `link` is its address in Slack, or empty."""

    thread: Thread
    ts: str
    link: str


@dataclass(frozen=True, slots=True)
class AdminFacts:
    """What administrators see: sums, workers and settings; no names and no texts."""

    today: Usage
    pending: int
    workers: tuple[WorkerStatus, ...]
    settings: Sequence[tuple[str, str]]
    rules_compared_at: float | None = None
    """When the cached rules of channels were last compared with the database (s)."""
    votes: Sequence[ModelVotes] = ()
    """The last week's votes by model."""


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What a person sees who may ask. `choice` is the language that the person has chosen."""

    status: Translatable
    use: PersonalUse
    team_week: Usage
    questions: Sequence[AskedQuestion]
    choice: Language | None
    admin: AdminFacts | None = None


def build_view(
    facts: MemberFacts | Translatable, language: Language, *, votes_keep_text: bool
) -> View:
    """
    Return the Home tab of a person; without facts, a sentence says why there are none.

    `votes_keep_text` is whether the database has what a training needs.
    """
    training = home_texts.VOTES_KEEP_TEXT if votes_keep_text else home_texts.NOT_TRAINED
    blocks: list[Block] = [
        {"type": "header", "text": {"type": "plain_text", "text": "StarChat"}},
        _section([texts.HELP_TEXT], language),
        _section([home_texts.LIMITS, training, RESEARCH_NOTICE], language),
        {"type": "divider"},
    ]
    if not isinstance(facts, MemberFacts):
        return {"type": "home", "blocks": [*blocks, _section([facts], language)]}
    blocks += _build_member_blocks(facts, language)
    if facts.admin is not None:
        blocks += [{"type": "divider"}, *_build_admin_blocks(facts.admin, language)]
    blocks += texts.context_blocks(home_texts.COMMANDS_OFFERED.translate(language))
    return {"type": "home", "blocks": blocks}


def build_link(workspace_url: str, thread: Thread, ts: str) -> str:
    """Return the address of a message, as Slack builds it; empty without a `workspace_url`."""
    if not workspace_url:
        return ""
    link = f"{workspace_url}archives/{thread.channel}/p{ts.replace('.', '')}"
    return link if ts == thread.ts else f"{link}?thread_ts={thread.ts}&cid={thread.channel}"


def _build_member_blocks(facts: MemberFacts, language: Language) -> list[Block]:
    use, team = facts.use, facts.team_week
    now: list[Translatable] = [home_texts.NOW_TITLE, facts.status]
    if use.open_questions:
        now.append(home_texts.describe_open_questions(use.open_questions))
    own = [home_texts.describe_own_use(use.week.replies, use.week.gpu_ms)]
    if use.budget_seconds:
        own.append(home_texts.describe_budget(use.today.gpu_ms, use.budget_seconds, use.day))
    own.append(home_texts.describe_team_use(team.replies, team.gpu_ms))
    if team.median_wait_seconds is not None:
        own.append(home_texts.describe_median_wait(team.median_wait_seconds))
    return [
        _section(now, language),
        _section(own, language),
        {"type": "divider"},
        *_build_question_blocks(facts.questions, language),
        _build_language_block(facts.choice, language),
    ]


def _build_question_blocks(questions: Sequence[AskedQuestion], language: Language) -> list[Block]:
    if not questions:
        return [_section([home_texts.QUESTIONS_TITLE, home_texts.NO_QUESTIONS], language)]
    lines = [_describe_question(question, language) for question in questions[:MAX_SHOWN_QUESTIONS]]
    if len(questions) > MAX_SHOWN_QUESTIONS:
        lines.append(home_texts.MORE_QUESTIONS.translate(language))
    button = {
        "type": "button",
        "action_id": CLEAR_ACTION_ID,
        "text": _plain(home_texts.CLEAR_BUTTON, language),
    }
    return [
        _section([home_texts.QUESTIONS_TITLE, *lines], language),
        {"type": "actions", "elements": [button]},
    ]


def _describe_question(question: AskedQuestion, language: Language) -> str:
    """Return a line of mrkdwn: the channel, and the time in the reader's zone as the link."""
    channel, seconds = question.thread.channel, question.ts.partition(".")[0]
    is_direct = channel.startswith("D")
    place = home_texts.DIRECT_MESSAGE.translate(language) if is_direct else f"<#{channel}>"
    link = f"^{escape_text(question.link)}" if question.link else ""
    return f"• {place} · <!date^{seconds}^{{date_short_pretty}}, {{time}}{link}|{question.ts}>"


def _build_language_block(choice: Language | None, language: Language) -> Block:
    own = _option(home_texts.LANGUAGE_OF_SLACK.translate(language), LANGUAGE_OF_SLACK)
    options = {None: own} | {one: _option(name, one) for one, name in LANGUAGE_NAMES.items()}
    select = {
        "type": "static_select",
        "action_id": LANGUAGE_ACTION_ID,
        "placeholder": _plain(home_texts.LANGUAGE_LABEL, language),
        "options": list(options.values()),
        "initial_option": options[choice],
    }
    return _section([home_texts.LANGUAGE_TITLE], language) | {"accessory": select}


def _build_admin_blocks(facts: AdminFacts, language: Language) -> list[Block]:
    ready = [worker for worker in facts.workers if not worker.loading]
    workers = home_texts.describe_workers(
        len(ready),
        len(facts.workers) - len(ready),
        sum(worker.busy_slots for worker in ready),
        sum(worker.slots for worker in ready),
    )
    lines = [
        home_texts.ADMIN_TITLE,
        workers if facts.workers else home_texts.NO_WORKERS,
        home_texts.describe_today(facts.today.replies, facts.today.gpu_ms, facts.pending),
        home_texts.describe_rules_age(_format_time(facts.rules_compared_at)),
    ]
    lines += [
        home_texts.describe_votes(escape_text(_name_model(votes)), votes) for votes in facts.votes
    ]
    settings = [
        f"`{name}={escape_text(value[:MAX_SETTING_CHARACTERS]).replace('`', '')}`"
        for name, value in facts.settings
    ]
    return [_section(lines, language), _section(settings, language)]


def _name_model(votes: ModelVotes) -> str:
    """Return the last part of a model's name, and the start of its revision."""
    name = votes.model.rstrip("/").rpartition("/")[2]
    revision = f" {votes.revision[:REVISION_CHARACTERS]}" if votes.revision else ""
    return f"{name}{revision}".replace("*", "")


def _format_time(seconds: float | None) -> str | None:
    """Return a time (s since the epoch) that Slack shows in each reader's own clock."""
    if seconds is None:
        return None
    return f"<!date^{int(seconds)}^{{date_short_pretty}}, {{time}}|{int(seconds)}>"


def _section(lines: Iterable[str | Translatable], language: Language) -> Block:
    return texts.section_block(JoinedPhrases(lines).translate(language))


def _option(text: str, value: str) -> Block:
    return {"text": {"type": "plain_text", "text": text}, "value": value}


def _plain(text: Translatable, language: Language) -> Block:
    return {"type": "plain_text", "text": text.translate(language)}
