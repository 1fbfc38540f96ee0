"""Work on finished replies and their deletion, beside the deaths of bot and worker."""

import contextlib
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from redis import Redis

from bot.failpoints import Failpoint as BotFailpoint
from chaos.checker.expectations import Bounds
from chaos.checker.history import State
from chaos.load import Question
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from contract.answers import Answer, previous_field
from testing import memorizing_model
from testing.polling import poll_until
from testing.worker_harness import reply_metadata
from testing.workspace import Messages, RefusedError
from worker.failpoints import Failpoint

END_SECONDS: Final = 180.0
"""Maximum wait until every press has had its effect."""
PRESS_SECONDS: Final = 60.0
"""Maximum wait until a bot takes a press."""
POLL_PAUSE_SECONDS: Final = 0.3
"""Pause between two looks: each of them reads all threads."""
WORKER_POINTS: Final = (
    Failpoint.AFTER_SURPLUS_DELETED,
    Failpoint.GENERATING,
    Failpoint.AFTER_ANSWER_SAVED,
    Failpoint.AFTER_FINAL,
)
BOT_POINTS: Final = (
    BotFailpoint.BEFORE_ENQUEUE,
    BotFailpoint.AFTER_ENQUEUE,
    BotFailpoint.AFTER_FILL,
)
CODE_POINTS: Final = (
    BotFailpoint.AFTER_CODE_RECORD,
    BotFailpoint.AFTER_CODE_UPLOADED,
    BotFailpoint.AFTER_CODE_SHARED,
)
DELETION_POINTS: Final = (BotFailpoint.AFTER_DELETION_RECORD, BotFailpoint.AFTER_PART_DELETED)


def press_repeatedly(run: ScenarioRun) -> None:
    """Press *Regenerate* and *Previous* twice each: a double click is one job."""
    questions = _ask_and_wait(run, run.scale_count(12, 4))
    for action in ("regenerate_reply", "previous_reply"):
        for question in questions:
            press_button(run, question, action)
            press_button(run, question, action, may_fail=True)
        wait_for_end(run, questions)
        _check_versions(run, questions)


def kill_worker_while_reworking(run: ScenarioRun) -> None:
    """Kill the worker at each step of a regeneration."""
    for point in WORKER_POINTS:
        questions = _ask_and_wait(run, run.scale_count(4, 2))
        for worker in list(run.cluster.workers):
            run.cluster.kill_process(worker)
        victim = run.cluster.start_worker(f"{point}:kill:1")
        doomed = DoomedProcess(run, victim)
        for question in questions:
            press_button(run, question, "regenerate_reply")
        if not doomed.wait_or_kill(END_SECONDS):
            run.failures.append(f"no worker died at {point}")
        run.cluster.restore_processes()
        wait_for_end(run, questions)
        _check_versions(run, questions)


def kill_bot_around_presses(run: ScenarioRun) -> None:
    """Kill the bot before and after it has accepted a press, and after it has read its thread."""
    for point in BOT_POINTS:
        questions = _ask_and_wait(run, run.scale_count(4, 2))
        doomed = _replace_bots(run, f"{point}:kill:{run.rng.randint(1, 2)}")
        for question in questions:
            with contextlib.suppress(RefusedError):
                _click(run, question, "regenerate_reply")
        if not doomed.wait_or_kill():
            run.failures.append(f"no bot died at {point}")
        run.cluster.restore_processes()
        for question in questions:
            # What its person would do, whose press may be lost.
            press_button(run, question, "regenerate_reply", may_fail=True)
        wait_for_end(run, questions)
        _check_versions(run, questions)


def kill_bot_while_deleting(run: ScenarioRun) -> None:
    """Kill the bot after the record of a deletion, and after a part is gone."""
    for point in DELETION_POINTS:
        questions = _ask_and_wait(run, run.scale_count(4, 2))
        # Their replies are gone at the end, as their people wish.
        run.excused |= {question.ts for question in questions}
        doomed = _replace_bots(run, f"{point}:kill:{run.rng.randint(1, 2)}")
        for question in questions:
            with contextlib.suppress(RefusedError):
                _click(run, question, "delete_reply")
        if not doomed.wait_or_kill():
            run.failures.append(f"no bot died at {point}")
        run.cluster.restore_processes()
        for question in questions:
            if read_reply(run, question):
                press_button(run, question, "delete_reply", may_fail=True)
        for question in questions:
            try:
                poll_until(partial(_is_reply_gone, run, question), timeout=END_SECONDS)
            except AssertionError:
                run.failures.append("a deleted reply is still there")


def kill_bot_while_sharing_code(run: ScenarioRun) -> None:
    """Kill the bot after the record of a request for code, its uploads, and their share."""
    for point in CODE_POINTS:
        questions = _ask_and_wait(run, run.scale_count(4, 2), memorizing_model.REVERSE)
        doomed = _replace_bots(run, f"{point}:kill:1")
        presses = dict.fromkeys(questions, 1)
        lost = []
        for question in questions:
            try:
                _click(run, question, "current_code")
            except RefusedError:
                lost.append(question)
        if not doomed.wait_or_kill():
            run.failures.append(f"no bot died at {point}")
        run.cluster.restore_processes()
        for question in lost:
            # Its press may be recorded: its person does not know.
            presses[question] += 1
            press_button(run, question, "current_code")
        for question, count in presses.items():
            _check_shares(run, question, count)


def _check_shares(run: ScenarioRun, question: Question, presses: int) -> None:
    """Fail the run unless each press shared the code of a thread at most once, and one did."""
    try:
        poll_until(partial(_count_shares, run, question), timeout=END_SECONDS)
    except AssertionError:
        run.failures.append("a thread's code was not shared")
    if _count_shares(run, question) > presses:
        run.failures.append("a thread's code was shared twice")


def _count_shares(run: ScenarioRun, question: Question) -> int:
    """Return how many messages with files a thread has."""
    time.sleep(POLL_PAUSE_SECONDS)
    thread = run.cluster.workspace.read_messages(question.channel, question.thread, question.user)
    return sum(bool(message.get("files")) for message in thread)


def _ask_and_wait(
    run: ScenarioRun, count: int, text: str = memorizing_model.GREET
) -> list[Question]:
    questions = [
        run.ask_one(
            text,
            user=run.rng.choice(run.cluster.users),
            channel=run.rng.choice(run.cluster.channels),
        )
        for _ in range(count)
    ]
    run.wait_for_replies()
    wait_for_end(run, questions)
    return questions


def _replace_bots(run: ScenarioRun, failpoint: str) -> DoomedProcess:
    """Replace the bots by one that a failpoint kills."""
    for bot in list(run.cluster.bots):
        run.cluster.kill_process(bot)
    victim = run.cluster.start_bot(failpoint)
    victim.wait_for_event("ready")
    return DoomedProcess(run, victim)


def _click(run: ScenarioRun, question: Question, action: str) -> None:
    [first, *_] = read_reply(run, question)
    click = {"user": question.user, "channel": question.channel, "ts": first["ts"]}
    run.cluster.workspace.post_json("_page/click", click | {"action_id": action})


def press_button(
    run: ScenarioRun, question: Question, action: str, *, may_fail: bool = False
) -> None:
    """Press a button until a bot takes it; with `may_fail`, it may be gone already."""
    deadline = time.monotonic() + PRESS_SECONDS
    while time.monotonic() < deadline:
        try:
            _click(run, question, action)
        except (RefusedError, ValueError):
            if may_fail:
                return
            time.sleep(0.5)
        else:
            return
    run.failures.append(f"no bot took a press of {action}")


def read_reply(run: ScenarioRun, question: Question) -> Messages:
    """Return the messages of a reply, as they are now."""
    thread = run.cluster.workspace.read_messages(question.channel, question.thread, question.user)
    return [m for m in thread if reply_metadata(m).get("question") == question.ts]


def _is_reply_gone(run: ScenarioRun, question: Question) -> bool:
    time.sleep(POLL_PAUSE_SECONDS)
    return not read_reply(run, question)


def wait_for_end(
    run: ScenarioRun, questions: Sequence[Question], state: State = State.FINAL
) -> None:
    """Wait until no job is left, and every reply has the `state`."""

    def has_rework_ended() -> bool:
        time.sleep(POLL_PAUSE_SECONDS)
        with run.cluster.connect_redis() as redis:
            if redis.zcard(keys.PENDING_JOBS):
                return False
        replies = [read_reply(run, question) for question in questions]
        states = {reply_metadata(m)["state"] for reply in replies for m in reply}
        return all(replies) and states == {state}

    try:
        poll_until(has_rework_ended, timeout=END_SECONDS)
    except AssertionError:
        run.failures.append("a reply has not ended")


def _check_versions(run: ScenarioRun, questions: Sequence[Question]) -> None:
    """Fail the run unless each reply has one message, and two versions in Redis."""
    with run.cluster.connect_redis() as redis:
        kept = [read_versions(run, redis, question) for question in questions]
    if not all(present and previous and present != previous for present, previous in kept):
        run.failures.append("a version of a reply is lost")
    if any(len(read_reply(run, question)) != 1 for question in questions):
        run.failures.append("a reply has not one message")


def read_versions(run: ScenarioRun, redis: Redis, question: Question) -> tuple[str, str]:
    """Return the ids of the two versions of a reply; empty if one is missing."""
    key = keys.answer_cache(run.team, question.channel, question.thread)
    entries = redis.hmget(key, [question.ts, previous_field(question.ts)])
    answers = [Answer.from_json(entry) for entry in entries]
    present, previous = ("" if answer is None else answer.reply_id for answer in answers)
    return present, previous


BOUNDS: Final = Bounds(max_end_seconds=120.0, max_late_edits=10_000)
"""The replies change after their end, because people ask for that."""
REWORKS: Final = (
    Scenario(
        "rework-pressed-twice",
        "V1",
        "replies regenerated and brought back by double clicks",
        press_repeatedly,
        BOUNDS,
    ),
    Scenario(
        "worker-killed-while-reworking",
        "V2",
        "worker killed at each step of a regeneration",
        kill_worker_while_reworking,
        BOUNDS,
    ),
    Scenario(
        "bot-killed-around-presses",
        "V3",
        "bot killed before and after it has accepted a press",
        kill_bot_around_presses,
        BOUNDS,
    ),
    Scenario(
        "bot-killed-while-deleting",
        "V4",
        "bot killed while it deletes replies",
        kill_bot_while_deleting,
        BOUNDS,
        expects_answers=False,
    ),
    Scenario(
        "bot-killed-while-sharing-code",
        "V5",
        "bot killed while it shares the code of threads",
        kill_bot_while_sharing_code,
        BOUNDS,
    ),
)
