"""A workspace whose clock is not this machine's says so in all that it dates."""

import time
import urllib.request
from email.utils import parsedate_to_datetime

import pytest

from testing.workspace import ADA, GENERAL, Workspace

DAY_SECONDS = 24 * 3600


def read_date_header(workspace: Workspace) -> float:
    """Return when an answer was given, by its header."""
    address = f"{workspace.url}/_page/state?user={ADA}"
    with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()


def test_messages_and_answers_are_dated_by_the_same_clock() -> None:
    """From the start, and after it was set anew; never backwards, as far as messages go."""
    with Workspace("--ahead", str(-DAY_SECONDS)) as workspace:
        first = float(workspace.post_message(ADA, GENERAL, "hello"))
        assert first == pytest.approx(time.time() - DAY_SECONDS, abs=10)
        assert read_date_header(workspace) == pytest.approx(first, abs=10)

        workspace.set_clock(ahead=DAY_SECONDS)
        second = float(workspace.post_message(ADA, GENERAL, "hello"))
        assert second == pytest.approx(time.time() + DAY_SECONDS, abs=10)
        assert read_date_header(workspace) == pytest.approx(second, abs=10)

        workspace.set_clock(ahead=0)
        assert float(workspace.post_message(ADA, GENERAL, "hello")) > second
        assert read_date_header(workspace) == pytest.approx(time.time(), abs=10)
