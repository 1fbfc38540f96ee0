"""Starts everything on this machine: `python -m demo`, or once: `python -m demo --ask "…"`."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from demo.console import Screen
from demo.page_client import NoAnswerError, Page
from demo.processes import REPOSITORY
from demo.services import PORT, ModelMissingError
from demo.stack import AlreadyRunningError, Stage, StageError
from demo.valkey import ValkeyError

FIRST: Final = "Write a Python function that checks whether a word is a palindrome."
LOOK: Final = 1.0
"""Seconds between two looks at whether everything still runs."""
INTERRUPTED: Final = 130
"""Exit status of who was interrupted before the reply was there."""
_told: Final = threading.Event()
"""Set once somebody wants the demo to end."""
FAILURES: Final = (StageError, ValkeyError, ModelMissingError, NoAnswerError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="A Slack workspace with StarChat on this machine."
    )
    parser.add_argument("--ask", metavar="QUESTION", help="ask this, print the reply and end")
    parser.add_argument("--no-question", action="store_true", help="only start and wait")
    parser.add_argument("--port", type=int, default=PORT, help="where the page is served")
    parser.add_argument(
        "--home", type=Path, default=REPOSITORY / ".demo", help="folder for data and logs"
    )
    return parser


def main(arguments: list[str], screen: Screen) -> int:
    """Run the demo until it is interrupted, or until the one reply is there; return the status."""
    wish = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with Stage(wish.home, wish.port) as stage:
            return _shown(stage, wish, screen)
    except AlreadyRunningError as running:
        return _already(str(running), wish.ask, screen)
    except FAILURES as error:
        screen.say(f"demo: {error}")
    except KeyboardInterrupt:
        screen.say("demo: stopped, nothing is left running")
        return 0 if wish.ask is None else INTERRUPTED
    return 1


def _shown(stage: Stage, wish: argparse.Namespace, screen: Screen) -> int:
    with screen.progress() as tell:
        page = stage.start(tell)
    if wish.ask is not None:
        return _asked(page, wish.ask, screen, stage.check)
    screen.say(f"\n  Open {page.address} in a browser. Ctrl-C stops everything.\n")
    if not wish.no_question:
        screen.question(FIRST)
        _asked(page, FIRST, screen, stage.check)
    while not _told.wait(LOOK):
        stage.check()
    raise KeyboardInterrupt


def _asked(
    page: Page, question: str, screen: Screen, look: Callable[[], None] | None = None
) -> int:
    reply = screen.reply(page.ask(question, look))
    return 0 if reply and reply.state == "final" else 1


def _already(address: str, question: str | None, screen: Screen) -> int:
    if question is not None and address:
        return _asked(Page(address), question, screen)
    screen.say(f"demo: already running at {address}" if address else "demo: already starting")
    return 0 if question is None else 1


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # What is raised while Python cleans an object up is lost; this is not.
    _told.set()
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Screen()))
