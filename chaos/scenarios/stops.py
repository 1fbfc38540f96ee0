"""Stops: replies stopped in every way, at every moment, and beside the deaths of bot and worker."""

import contextlib
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

from redis import Redis

from bot.failpoints import Failpoint
from chaos.checker.expectations import Bounds
from chaos.cluster.cluster import UNLIMITED_SETTINGS, ClusterSpec
from chaos.load import LONG_QUESTION, Question
from chaos.recovery import question_job_id
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing.polling import poll_until
from testing.worker_harness import context_text
from testing.workspace import RefusedError

END_SECONDS: Final = 60.0
"""Time until every session has ended: a bot looks at it 30 s after its beginning."""
RECORD_SECONDS: Final = 120.0
"""Time until Slack has delivered again what a dead bot did not acknowledge."""
GROWTH_SECONDS: Final = 60.0
"""Maximum wait until a reply grows."""
SESSION_METHOD: Final = "agents.sessions.setStatus"


def stop_by_word(run: ScenarioRun, question: Question) -> None:
    """Write the word in the thread."""
    run.cluster.workspace.post_message(
        question.user, question.channel, "@StarChat stop", question.thread
    )


def stop_by_reaction(run: ScenarioRun, question: Question) -> None:
    """React to the question, unless the person has done so before."""
    with contextlib.suppress(RefusedError):
        run.cluster.workspace.set_reaction(
            question.user, question.channel, question.ts, "octagonal_sign"
        )


def stop_by_button(run: ScenarioRun, question: Question) -> None:
    """Press the button twice, if there is one."""
    for ts in run.watcher.list_messages(question)[:1] * 2:
        click = {"user": question.user, "channel": question.channel, "ts": ts}
        # The reply may have ended, and a bot may die before it answers.
        with contextlib.suppress(RefusedError):
            run.cluster.workspace.post_json("_page/click", click | {"action_id": "stop_reply"})


def stop_by_session(run: ScenarioRun, question: Question) -> None:
    """Press Slack's own Stop, if it is there."""
    pressed = {"user": question.user, "channel": question.channel, "thread_ts": question.thread}
    with contextlib.suppress(RefusedError):
        run.cluster.workspace.post_json("_page/stop", pressed)


WAYS: Final[tuple[Callable[[ScenarioRun, Question], None], ...]] = (
    stop_by_word,
    stop_by_reaction,
    stop_by_button,
    stop_by_session,
)


def stop_while_generating(run: ScenarioRun) -> None:
    """Stop replies that wait or grow, in every way and in two ways at once."""
    questions: list[Question] = []
    for _ in range(run.scale_count(12, 4)):
        pair = (_ask_long(run), _ask_long(run))
        # A stop follows what its own reply shows. One that waits for many others comes too late
        # on a busy machine: replies grow at the same time, and the stops come one by one.
        for question, state in zip(pair, ("placeholder", "growing"), strict=True):
            run.watcher.wait_for_state(question, state, GROWTH_SECONDS)
            for way in run.rng.sample(WAYS, 2):
                way(run, question)
            # Whichever ways it had, one of them always works.
            stop_by_reaction(run, question)
        questions += pair
    run.wait_for_replies()
    _check_stops(run, questions)


def kill_worker_after_stop(run: ScenarioRun) -> None:
    """Freeze a worker, stop its reply, and kill the worker before it can hear of that."""
    stopped = []
    for _ in range(run.scale_count(4, 2)):
        question = _ask_long(run)
        if not run.watcher.wait_for_state(question, "growing", GROWTH_SECONDS):
            run.failures.append("a reply did not grow")
            continue
        victim = next(w for w in run.cluster.workers if _runs(w.log_text, question))
        os.killpg(victim.pid, signal.SIGSTOP)
        stop_by_word(run, question)
        with run.cluster.connect_redis() as redis:
            key = f"rq:job:{question_job_id(question)}"
            poll_until(partial(redis.hexists, key, keys.STOPPED_BY), description="the record")
        run.kill_worker(victim)
        stopped.append(question)
    run.wait_for_replies()
    _check_stops(run, stopped, all_shown=True)


def kill_bot_after_stop(run: ScenarioRun) -> None:
    """Kill the bot after the record of a stop, and after it has shown the end."""
    questions = []
    for point in (Failpoint.AFTER_STOP_RECORD, Failpoint.AFTER_STOP_SHOWN):
        for bot in list(run.cluster.bots):
            run.cluster.kill_process(bot)
        for worker in list(run.cluster.workers):
            run.cluster.kill_process(worker)
        victim = run.cluster.start_bot(f"{point}:kill:{run.rng.randint(1, 2)}")
        victim.wait_for_event("ready")
        doomed = DoomedProcess(run, victim)
        asked = [_ask_long(run) for _ in range(run.scale_count(6, 3))]
        for question in asked:
            run.watcher.wait_for_state(question, "placeholder", GROWTH_SECONDS)
        for question in asked:
            run.rng.choice((stop_by_word, stop_by_reaction))(run, question)
        if not doomed.wait_or_kill():
            run.failures.append(f"no bot died at {point}")
        questions += asked
        # A reply may end before a stop that its bot did not live to record: no worker runs yet.
        run.cluster.start_bot().wait_for_event("ready")
        poll_until(partial(_have_stops, run, asked), timeout=RECORD_SECONDS, description="stops")
        run.cluster.restore_processes()
        run.wait_for_replies()
    _check_stops(run, questions, all_shown=True)


def _ask_long(run: ScenarioRun) -> Question:
    return run.ask_one(
        LONG_QUESTION,
        user=run.rng.choice(run.cluster.users),
        channel=run.rng.choice(run.cluster.channels),
    )


def _have_stops(run: ScenarioRun, questions: list[Question]) -> bool:
    """Whether each question's stop is recorded, or shown already."""
    with run.cluster.connect_redis() as redis:
        return all(
            redis.hexists(f"rq:job:{question_job_id(question)}", keys.STOPPED_BY)
            or "Stopped by" in _read_notes(run, question)
            for question in questions
        )


def _runs(log_text: str, question: Question) -> bool:
    return f'"job": "{question_job_id(question)}"' in log_text and "job claimed" in log_text


def _check_stops(run: ScenarioRun, questions: list[Question], *, all_shown: bool = False) -> None:
    """Fail the run unless the stops were shown, left no trace and ended their sessions."""
    shown = sum("Stopped by" in _read_notes(run, question) for question in questions)
    run.notes.append(f"{shown} of {len(questions)} stopped before their end")
    if shown < (len(questions) if all_shown else len(questions) / 2):
        run.failures.append(f"only {shown} of {len(questions)} replies say who stopped them")
    with run.cluster.connect_redis() as redis:
        for key in (keys.stop_schedule(run.team), keys.session_schedule(run.team)):
            try:
                poll_until(partial(_is_missing, redis, key), timeout=END_SECONDS)
            except AssertionError:
                run.failures.append(f"{key} is not empty")
    calls = run.cluster.workspace.api_calls(method=SESSION_METHOD)
    last = {call["args"]["thread_ts"]: call["args"]["status"] for call in calls if call["ok"]}
    left = [q for q in questions if last.get(q.thread, "active") != "active"]
    if left:
        run.failures.append(f"{len(left)} sessions are still processing")


def _is_missing(redis: Redis, key: str) -> bool:
    return not redis.exists(key)


def _read_notes(run: ScenarioRun, question: Question) -> str:
    thread = run.cluster.workspace.read_messages(question.channel, question.thread, question.user)
    own = set(run.watcher.list_messages(question))
    return context_text([message for message in thread if message["ts"] in own])


CLUSTER: Final = ClusterSpec(
    bot_count=2,
    worker_count=2,
    settings=tuple((UNLIMITED_SETTINGS | {"STARCHAT_MAX_NEW_TOKENS": "640"}).items()),
)
"""Cluster whose long replies take seconds, so that most stops come before their ends."""
BOUNDS: Final = Bounds(max_end_seconds=90.0, max_late_edits=1)
STOPS: Final = (
    Scenario(
        "stop-requested-while-generating",
        "Q1",
        "replies stopped in four ways, twice and two ways at once",
        stop_while_generating,
        BOUNDS,
    ),
    Scenario(
        "worker-killed-after-stop",
        "Q2",
        "worker killed after a stop that it has not heard of",
        kill_worker_after_stop,
        BOUNDS,
    ),
    Scenario(
        "bot-killed-after-stop",
        "Q3",
        "bot killed after the record of a stop, and after it has shown the end",
        kill_bot_after_stop,
        BOUNDS,
    ),
)
