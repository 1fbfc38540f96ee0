"""App refusals: Slack refuses the whole app for a time, and every question is answered after it."""

import time
from typing import Final

from chaos.checker.expectations import Bounds
from chaos.load import Question
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from contract import keys
from testing.polling import poll_until
from testing.processes import fetch_page, free_port

REFUSALS: Final = (
    ("chat.*", "token_revoked"),
    ("chat.update", "token_expired"),
    ("*", "org_login_required"),
)
"""Methods that Slack refuses, each with the error; `auth.test` succeeds beside the first two."""
REFUSAL_SECONDS: Final = 6.0
"""Duration of each refusal."""
QUESTION_COUNT: Final = 20
"""Questions that wait during each refusal."""
MAX_RESUME_SECONDS: Final = 60.0
"""Maximum time from the end of a refusal to the last answer: a probe interval, and the replies."""


def refuse_app(run: ScenarioRun) -> None:
    """Refuse the app in three ways while questions wait."""
    for method, error in REFUSALS:
        _refuse_for(run, method, error, REFUSAL_SECONDS)


def _refuse_for(run: ScenarioRun, method: str, error: str, seconds: float) -> None:
    workspace, ports = run.cluster.workspace, _restart_with_health(run)
    workspace.set_faults({"fault": "error", "method": method, "error": error})
    run.faults[error] += 1
    refused_until = time.monotonic() + seconds
    asked = run.ask_questions(run.scale_count(QUESTION_COUNT, QUESTION_COUNT))
    _check_readiness(run, ports["worker"], error)
    time.sleep(max(0.0, refused_until - time.monotonic()))
    with run.cluster.connect_redis() as redis:
        waiting = int(redis.zcard(keys.PENDING_JOBS))
    workspace.set_faults()
    accepted_at = time.monotonic()
    unanswered = run.watcher.wait_for_replies(asked, MAX_RESUME_SECONDS)
    resumed = time.monotonic() - accepted_at
    _check_answers(run, asked, unanswered, waiting)
    for module, port in ports.items():
        poll_until(
            lambda port=port: fetch_page(port, "/readyz")[0] == 200,  # type: ignore[misc]
            timeout=MAX_RESUME_SECONDS,
            description=f"a ready {module}",
        )
    run.notes.append(
        f"{method} {error} {seconds:.0f} s: {waiting} waited, all answered {resumed:.1f} s later"
    )


def _restart_with_health(run: ScenarioRun) -> dict[str, int]:
    """Restart bot and worker with health ports; return the port of each."""
    cluster, ports = run.cluster, {"bot": free_port(), "worker": free_port()}
    for process in (*cluster.bots, *cluster.workers):
        cluster.kill_process(process)
    for module, start in (("bot", cluster.start_bot), ("worker", cluster.start_worker)):
        cluster.environment["HEALTH_PORT"] = str(ports[module])
        start()
        del cluster.environment["HEALTH_PORT"]
    cluster.restore_processes()
    for process in cluster.bots:
        process.wait_for_event("ready")
    return ports


def _check_readiness(run: ScenarioRun, port: int, error: str) -> None:
    """Wait until the worker's readiness names the error."""
    expected = (503, f"waiting for Slack, which refuses the app ({error})\n")
    try:
        poll_until(lambda: fetch_page(port, "/readyz") == expected, description="the refusal")
    except AssertionError:
        run.failures.append(f"/readyz does not name {error}: {fetch_page(port, '/readyz')}")


def _check_answers(
    run: ScenarioRun, asked: list[Question], unanswered: list[Question], waiting: int
) -> None:
    if waiting < len(asked):
        run.failures.append(f"{len(asked) - waiting} of {len(asked)} ended during the refusal")
    if unanswered:
        run.failures.append(f"{len(unanswered)} of {len(asked)} without a reply after it")
    failed = [q for q in asked if run.watcher.count_versions(q, "error")]
    if failed:
        run.failures.append(f"{len(failed)} of {len(asked)} ended with an error")
    restarted = sum(run.watcher.saw_retry_notice(question) for question in asked)
    if restarted:
        run.failures.append(f"{restarted} of {len(asked)} announced a failed attempt")


def build_long_refusal(minutes: float) -> Scenario:
    """Return the scenario of one refusal that lasts for `minutes`."""
    seconds = minutes * 60
    return Scenario(
        "app-refused-for-minutes",
        "S11",
        f"token revoked for {minutes:g} min while questions wait",
        lambda run: _refuse_for(run, "*", "token_revoked", seconds),
        bounds=Bounds(max_end_seconds=seconds + 120.0),
    )


APP_REFUSED: Final = Scenario(
    "app-refused-by-slack",
    "S10",
    "token revoked, edits refused, login required, for 6 s each, while 20 questions wait",
    refuse_app,
)
