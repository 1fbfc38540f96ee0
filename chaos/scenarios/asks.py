"""Asks: questions by forms and commands, and shared answers, while bots die at each step."""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from bot.failpoints import Failpoint
from chaos.checker.collector import is_asked, make_token
from chaos.checker.expectations import Bounds
from chaos.load import Question
from chaos.run import DoomedProcess, ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing import memorizing_model
from testing.polling import poll_until
from testing.workspace import STARCHAT, Json, RefusedError

ASK_SECONDS: Final = 90.0
"""Maximum wait for a posted question: another bot takes it over after 20 s."""
FIRST_NUMBER: Final = 900_000
"""Number of the first token, beyond those of other questions."""
FIRST_PRIVATE_NUMBER: Final = 950_000
MAX_PRESSES: Final = 6
PRESS_SECONDS: Final = 10.0
"""Seconds between two presses of a person."""


def ask_while_bots_die(run: ScenarioRun) -> None:
    """Kill a bot after it has recorded a question, and after it has posted one."""
    for step, point in enumerate((Failpoint.AFTER_ASK_RECORD, Failpoint.AFTER_ASK_POST)):
        for bot in list(run.cluster.bots):
            run.cluster.kill_process(bot)
        count = run.scale_count(6, 3)
        victim = run.cluster.start_bot(f"{point}:kill:{run.rng.randint(1, count)}")
        victim.wait_for_event("ready")
        doomed = DoomedProcess(run, victim)
        forms = [_open_form(run, FIRST_NUMBER + step * count + i) for i in range(count)]
        for form in forms * 2:
            _submit_form(run, form)
        if not doomed.wait_or_kill():
            run.failures.append(f"no bot died at {point}")
        run.cluster.restore_processes()
        for form in forms:
            # A person presses again where the form is still open.
            _submit_form(run, form)
        run.questions += [_find_question(run, form) for form in forms]
    run.wait_for_replies()
    with run.cluster.connect_redis() as redis:
        schedule = keys.ask_schedule(run.team)
        poll_until(lambda: not redis.exists(schedule), timeout=ASK_SECONDS)


def _open_form(run: ScenarioRun, number: int) -> Json:
    """Choose the shortcut on a new message; return its address and the form's view."""
    workspace = run.cluster.workspace
    channel, user = run.rng.choice(run.cluster.channels), run.cluster.users[0]
    root = workspace.post_message(run.cluster.users[-1], channel, "a message")
    before = {view["id"] for view in _list_forms(run, user)}
    chosen = {"user": user, "channel": channel, "ts": root, "callback_id": "ask_about_message"}
    workspace.post_json("_page/shortcut", chosen)
    [view] = poll_until(
        lambda: [view for view in _list_forms(run, user) if view["id"] not in before],
        timeout=ASK_SECONDS,
    )
    token = make_token(number, run.rng.randint(1, 10**6))
    return {"channel": channel, "root": root, "user": user, "view": view["id"], "token": token}


def _list_forms(run: ScenarioRun, user: str) -> list[Json]:
    return list(run.cluster.workspace.get_json("_page/views", user=user)["modals"])


def _submit_form(run: ScenarioRun, form: Json) -> None:
    submitted = {
        "user": form["user"],
        "view_id": form["view"],
        "values": {"question": {"value": f"{memorizing_model.GREET} {form['token']}"}},
    }
    # The form may be closed, and a bot may die before it answers.
    with contextlib.suppress(RefusedError):
        run.cluster.workspace.post_json("_page/submit", submitted)


def _find_question(run: ScenarioRun, form: Json) -> Question:
    """Return the posted question of a form; fail the run if there are several."""
    return _find_asked(run, (form["channel"], form["root"]), form["user"], form["token"])


def _find_asked(run: ScenarioRun, place: tuple[str, str | None], user: str, token: str) -> Question:
    """Return the posted question with this token; fail the run if there are several."""
    channel, root = place
    asked = poll_until(partial(_list_asked, run, place, user, token), timeout=ASK_SECONDS)
    if len(asked) > 1:
        run.failures.append("a question was posted twice")
    ts = str(asked[0]["ts"])
    return Question(ts, channel, root or ts, user, token, time.monotonic())


def _list_asked(
    run: ScenarioRun, place: tuple[str, str | None], user: str, token: str
) -> list[Json]:
    return [
        message
        for message in run.cluster.workspace.read_messages(*place, user)
        if token in str(message["text"]) and is_asked(message)
    ]


def share_while_bots_die(run: ScenarioRun) -> None:
    """Kill a bot after it has posted a private question, and after it has posted a shared one."""
    workspace, user = run.cluster.workspace, run.cluster.users[0]
    direct, count = workspace.open_dm(user, STARCHAT), run.scale_count(4, 2)
    origins = {
        make_token(FIRST_PRIVATE_NUMBER + i, run.rng.randint(1, 10**6)): run.rng.choice(
            run.cluster.channels
        )
        for i in range(count)
    }
    with _doomed_bot(run, count):
        for token, channel in origins.items():
            # The bot dies after its acknowledgement: a second command would be a second question.
            text = f"/starchat ask {memorizing_model.GREET} {token}"
            while not _send_command(run, user, channel, text):
                run.cluster.restore_processes()
    private = {token: _find_asked(run, (direct, None), user, token) for token in origins}
    run.questions += private.values()
    run.wait_for_replies()
    with _doomed_bot(run, 1):
        for question in [*private.values()] * 2:
            _press_share(run, question)
    for token, channel in origins.items():
        place = (channel, None)
        _share_until_shown(run, private[token], partial(_list_asked, run, place, user, token))
        run.questions.append(_find_asked(run, place, user, token))
    run.wait_for_replies()


@contextlib.contextmanager
def _doomed_bot(run: ScenarioRun, count: int) -> Iterator[None]:
    """Run one bot that dies after one of `count` posts, and then the bots of the cluster."""
    for bot in list(run.cluster.bots):
        run.cluster.kill_process(bot)
    victim = run.cluster.start_bot(f"{Failpoint.AFTER_ASK_POST}:kill:{run.rng.randint(1, count)}")
    victim.wait_for_event("ready")
    doomed = DoomedProcess(run, victim)
    yield
    if not doomed.wait_or_kill():
        run.failures.append("no bot died after a post")
    run.cluster.restore_processes()


def _send_command(run: ScenarioRun, user: str, channel: str, text: str) -> bool:
    """Send a command; return whether a bot has acknowledged it."""
    try:
        run.cluster.workspace.post_message(user, channel, text)
    except RefusedError:
        return False
    return True


def _share_until_shown(
    run: ScenarioRun, question: Question, list_shown: Callable[[], list[Json]]
) -> None:
    """Press as a person does: again where the button still is, after a word of the bot."""
    for _ in range(MAX_PRESSES):
        _press_share(run, question)
        with contextlib.suppress(AssertionError):
            poll_until(list_shown, timeout=PRESS_SECONDS)
            return


def _press_share(run: ScenarioRun, question: Question) -> None:
    press = {"user": question.user, "channel": question.channel, "ts": question.ts}
    # The button may be gone, and a bot may die before it answers.
    with contextlib.suppress(RefusedError):
        run.cluster.workspace.post_json("_page/click", press | {"action_id": "share_answer"})


ASKS: Final = (
    Scenario(
        "bot-killed-while-asking",
        "K1",
        "questions by the message shortcut, submitted twice, while bots die at each step",
        ask_while_bots_die,
        Bounds(max_end_seconds=120.0),
    ),
    Scenario(
        "bot-killed-while-sharing",
        "K2",
        "private questions and shared answers, pressed twice, while bots die after a post",
        share_while_bots_die,
        Bounds(max_end_seconds=120.0),
    ),
)
