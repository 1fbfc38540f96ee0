"""Terminal output of the demo: progress, the page's address and the growing reply."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from demo.blocks import draw_message
from demo.page_client import Reply
from demo.stack import ProgressCallback


class DemoConsole:
    """Prints the reply to standard output and everything else to standard error."""

    def __init__(self) -> None:
        """Detect whether each stream is a terminal."""
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def print_line(self, line: str) -> None:
        """Print one line to standard error."""
        self._err.print(line, markup=False, soft_wrap=True)

    def print_warning(self, line: str) -> None:
        """Print one line about the demo itself."""
        self.print_line(f"demo: {line}")

    @contextmanager
    def show_progress(self) -> Iterator[ProgressCallback]:
        """Show the current step and its duration; without a terminal, print one line a step."""
        if not self._err.is_terminal:
            yield lambda what: self.print_line(f"demo: {what}")
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True) as bar:
            task = bar.add_task("")
            yield lambda what: bar.reset(task, description=what)

    def show_question(self, text: str) -> None:
        """Print the question."""
        self._err.print(Text.assemble(("Ada\n", "bold magenta"), f"@StarChat {text}\n"))

    def show_reply(self, replies: Iterable[Reply]) -> Reply | None:
        """Show a reply while it grows and keep it on the screen; return its last state."""
        last = None
        if not self._out.is_terminal:
            for each in replies:
                last = each
            self._out.print(_render_reply(last), soft_wrap=True)
            return last
        self._out.print(Text("StarChat", style="bold red"))
        with Live(Text("…", style="dim"), console=self._out, vertical_overflow="visible") as live:
            started = time.monotonic()
            for last in replies:
                live.update(_render_reply(last))
            seconds = time.monotonic() - started
            live.update(Group(_render_reply(last), Text(f"{seconds:.1f} s", style="dim")))
        return last


def _render_reply(reply: Reply | None) -> RenderableType:
    return Group(*(draw_message(message) for message in reply.messages)) if reply else Text("")
