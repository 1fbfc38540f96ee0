"""Steps of tests that ask about a message: choose the shortcut, submit its form, find the job."""

import contextlib
from collections.abc import Iterator
from typing import Any

from redis import Redis

from bot.records.database import Records
from bot.records.rules import ChangeRequest, RuleStore
from bot.rules.channel_rules import ChannelRules, WhoMayAsk
from bot.store.rules_cache import RulesCache
from contract import keys
from contract.job import Job
from testing.polling import poll_until
from testing.queue_inspector import TEAM, find_job
from testing.workspace import ADA, GENERAL, RefusedError, Workspace

Json = dict[str, Any]
START_SECONDS = 180
"""Maximum wait for a message that follows the start of a process."""


def open_form(workspace: Workspace, ts: str, channel: str = GENERAL, user: str = ADA) -> Json:
    """Choose the shortcut on a message; return the view that opens."""
    before = {view["id"] for view in list_modals(workspace, user)}
    chosen = {"user": user, "channel": channel, "ts": ts, "callback_id": "ask_about_message"}
    workspace.post_json("_page/shortcut", chosen)
    view: Json = poll_until(
        lambda: next((v for v in list_modals(workspace, user) if v["id"] not in before), None),
        description="the form",
    )
    return view


def list_modals(workspace: Workspace, user: str = ADA) -> list[Json]:
    """Return a person's open modals."""
    return list(workspace.get_json("_page/views", user=user)["modals"])


def submit_form(workspace: Workspace, view: Json, question: str, user: str = ADA) -> Json:
    """Submit the form; return what the page learns."""
    values = {"question": {"value": question}}
    return workspace.post_json(
        "_page/submit", {"user": user, "view_id": view["id"], "values": values}
    )


def submit_refused_form(workspace: Workspace, view: Json, sentence: str) -> None:
    """Submit a form that is refused now, unless the bot has refused it since it opened."""
    with contextlib.suppress(RefusedError):
        submit_form(workspace, view, "Why?")
    wait_for_refusal(workspace, view, sentence)


def read_modal(workspace: Workspace, view: Json, user: str = ADA) -> str:
    """Return the words of a modal as it is now, or nothing if it is closed."""
    shown = (str(v["blocks"]) for v in list_modals(workspace, user) if v["id"] == view["id"])
    return next(shown, "")


def wait_for_refusal(workspace: Workspace, view: Json, sentence: str, user: str = ADA) -> None:
    """Wait until a form is replaced by a sentence."""
    poll_until(lambda: sentence in read_modal(workspace, view, user), description=sentence)


def find_asked(workspace: Workspace, channel: str, thread: str) -> list[Json]:
    """Return the questions that the bot has posted into a thread."""
    return [
        message
        for message in workspace.bot_replies(channel, thread)
        if any(b.get("block_id", "").startswith("asked ") for b in message.get("blocks", []))
    ]


def wait_for_asked(
    workspace: Workspace, redis: Redis, thread: str, channel: str = GENERAL
) -> tuple[Json, Job]:
    """Wait until a thread has one posted question; return it with its job."""
    [asked] = poll_until(
        lambda: find_asked(workspace, channel, thread),
        timeout=START_SECONDS,
        description="the question",
    )
    marker = keys.idempotency_key(TEAM, channel, asked["ts"])
    poll_until(lambda: redis.exists(marker), timeout=START_SECONDS, description="its acceptance")
    job = find_job(redis, channel, asked["ts"])
    assert job is not None
    return asked, job


def wait_until_settled(redis: Redis) -> None:
    """Wait until no bot has a question to post."""
    poll_until(
        lambda: not redis.exists(keys.ask_schedule(TEAM)),
        timeout=START_SECONDS,
        description="the end of the asks",
    )


@contextlib.contextmanager
def close_channel(workspace: Workspace, redis: Redis) -> Iterator[None]:
    """Let no one ask in #general, by the rules in the bots' database and in the cache."""
    _save_rules(workspace, redis, ChannelRules(who=WhoMayAsk.NO_ONE))
    yield
    _save_rules(workspace, redis, ChannelRules())


def _save_rules(workspace: Workspace, redis: Redis, rules: ChannelRules) -> None:
    records = Records(workspace.database_url)
    store, cache = RuleStore(records), RulesCache(redis, TEAM)
    version = store.load_rules(TEAM, GENERAL).version
    request = ChangeRequest(TEAM, GENERAL, ADA, f"test:{version}", f"{version}.0")
    result = store.save_rules(request, rules, version)
    read_at = cache.read_clock()
    cache.replace_rules(store.load_team(TEAM), read_at)
    records.close_database()
    assert result.current.rules == rules
