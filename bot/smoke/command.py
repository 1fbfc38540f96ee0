"""Command `python -m bot smoke`: instructs a person step by step, and prints a table."""

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from slack_sdk.errors import SlackApiError

from bot.slack.client import CALL_ERRORS, authenticate, create_client, error_name
from bot.smoke.observer import Observer, StepFailedError
from bot.smoke.report import StepResult, format_report
from bot.smoke.steps import STEPS, SmokeRun
from contract.base_settings import BaseSettings
from contract.settings import SettingsError

DESCRIPTION: Final = (
    "Check a running bot on a real workspace: do what each step says, in Slack. Reads with "
    "SLACK_BOT_TOKEN; prints no text, id or token."
)
DEFAULT_TIMEOUT_SECONDS: Final = 300.0
MAX_WAIT_SECONDS: Final = 86_400.0
POLL_SECONDS: Final = 2.5
"""Slack allows 50 reads of a channel within a minute."""


def run_smoke(arguments: Sequence[str]) -> int:
    """
    Run the smoke test; return 0 if all steps worked, else 1.

    Raises `SettingsError`, and `SystemExit` for wrong arguments.
    """
    options = _parse_arguments(arguments)
    client = create_client(BaseSettings.from_environment())
    identity = authenticate(client, threading.Event())
    if identity is None:
        raise SettingsError("Slack was not reached")
    observer = Observer(client, identity, options.timeout, options.poll)
    run = _start_run(observer, options.channel)
    results = [_run_step(name, STEPS[name], run) for name in options.steps]
    _show("\n" + format_report(results))
    return 0 if all(result.worked for result in results) else 1


def _parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bot smoke", description=DESCRIPTION)
    parser.add_argument("--channel", required=True, help="id of a channel with the bot")
    parser.add_argument(
        "--timeout",
        type=_parse_seconds,
        default=DEFAULT_TIMEOUT_SECONDS,
        help="seconds to wait for each message (default: %(default)s)",
    )
    parser.add_argument(
        "--poll",
        type=_parse_seconds,
        default=POLL_SECONDS,
        help="seconds between two reads (default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        metavar="STEP",
        choices=STEPS,
        default=list(STEPS),
        help=f"only these steps: {', '.join(STEPS)}",
    )
    return parser.parse_args(arguments)


def _parse_seconds(text: str) -> float:
    """Return a number of seconds. Raises `ArgumentTypeError` if it is none from 0 to a day."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise argparse.ArgumentTypeError(f"must be seconds from 0 to 86400, not {text!r}")
    return seconds


def _start_run(observer: Observer, channel: str) -> SmokeRun:
    """Start a run after the latest message of a channel. Raises `SettingsError`."""
    try:
        answer = observer.web_client.conversations_info(channel=channel)
        latest = observer.find_latest(channel)
    except CALL_ERRORS as error:
        why = error_name(error)
        expected = "a channel that the bot is a member of"
        raise SettingsError(f"--channel must be {expected}, not '{channel}' ({why})") from None
    _show(f"Smoke test in #{answer['channel'].get('name', channel)}.")
    return SmokeRun(observer, channel, latest, _show)


def _run_step(name: str, check: Callable[[SmokeRun], str], run: SmokeRun) -> StepResult:
    started = time.monotonic()
    try:
        worked, remark = True, check(run)
    except StepFailedError as error:
        worked, remark = False, str(error)
    except CALL_ERRORS as error:
        worked, remark = False, _describe_call_error(error)
    result = StepResult(name, worked, time.monotonic() - started, remark)
    _show(f"{name}: {'ok' if worked else 'FAILED'}, {remark}")
    return result


def _describe_call_error(error: Exception) -> str:
    if not isinstance(error, SlackApiError):
        return error_name(error)
    needed = error.response.get("needed")
    return f"{error_name(error)}, needed: {needed}" if needed else error_name(error)


def _show(line: str) -> None:
    print(line, flush=True)  # noqa: T201
