"""Command line of the demo: `python -m demo`, or for one question `python -m demo --ask "…"`."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from demo.console import DemoConsole
from demo.page_client import NoAnswerError, PageClient
from demo.processes import REPOSITORY
from demo.services import DEFAULT_PORT, ModelMissingError
from demo.stack import AlreadyRunningError, Stack, StackError
from demo.valkey import ValkeyError

EXAMPLE_QUESTION: Final = "Write a Python function that checks whether a word is a palindrome."
CHECK_INTERVAL_SECONDS: Final = 1.0
"""Seconds between two checks that all processes still run."""
EXIT_INTERRUPTED: Final = 130
"""Exit status if Ctrl-C arrives before the reply is complete."""
_stop_requested: Final = threading.Event()
"""Set by a signal that ends the demo."""
EXPECTED_ERRORS: Final = (StackError, ValkeyError, ModelMissingError, NoAnswerError)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Start a local Slack workspace, the bot and a worker with a small model.",
    )
    parser.add_argument(
        "--ask", metavar="QUESTION", help="ask one question, print the reply and exit"
    )
    parser.add_argument(
        "--no-question", action="store_true", help="start everything, but ask no example question"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port of the page (default: %(default)s)"
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=REPOSITORY / ".demo",
        help="directory for data and logs (default: .demo)",
    )
    return parser


def main(arguments: list[str], console: DemoConsole) -> int:
    """Run the demo until a signal arrives or the one reply is complete; return the exit status."""
    options = _build_parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _request_stop)
    try:
        with Stack(options.home, options.port, console.print_warning) as stack:
            return _run_stack(stack, options, console)
    except AlreadyRunningError as running:
        return _use_running_demo(str(running), options.ask, console)
    except EXPECTED_ERRORS as error:
        console.print_line(f"demo: {error}")
    except KeyboardInterrupt:
        console.print_line("demo: stopped, nothing is left running")
        return 0 if options.ask is None else EXIT_INTERRUPTED
    return 1


def _run_stack(stack: Stack, options: argparse.Namespace, console: DemoConsole) -> int:
    with console.show_progress() as report_progress:
        client = stack.start_services(report_progress)
    if options.ask is not None:
        return _print_reply(client, options.ask, console, stack.check_services)
    console.print_line(f"\n  Open {client.address} in a browser. Ctrl-C stops everything.\n")
    if not options.no_question:
        console.show_question(EXAMPLE_QUESTION)
        _print_reply(client, EXAMPLE_QUESTION, console, stack.check_services)
    while not _stop_requested.wait(CHECK_INTERVAL_SECONDS):
        stack.check_services()
    raise KeyboardInterrupt


def _print_reply(
    client: PageClient, question: str, console: DemoConsole, check: Callable[[], None] | None = None
) -> int:
    reply = console.show_reply(client.ask_question(question, check))
    return 0 if reply and reply.state == "final" else 1


def _use_running_demo(address: str, question: str | None, console: DemoConsole) -> int:
    if question is not None and address:
        return _print_reply(PageClient(address), question, console)
    console.print_line(
        f"demo: already running at {address}" if address else "demo: already starting"
    )
    return 0 if question is None else 1


def _request_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    # Python swallows an exception raised inside a finalizer; the event survives it.
    _stop_requested.set()
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], DemoConsole()))
