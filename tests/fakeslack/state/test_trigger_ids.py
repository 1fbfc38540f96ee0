"""Response URLs: uses and lifetime."""

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.messages import Message
from testing.in_memory_workspace import ADA, GENERAL, InMemoryWorkspace


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_response_url_works_five_times_in_30_minutes(
    slack: InMemoryWorkspace,
) -> None:
    """Used-up, expired and invented response URLs are refused."""
    answers = slack.workspace.response_urls
    message = Message(GENERAL, {"ts": "1.000000"})
    often, old = (answers.issue_url(GENERAL, ADA, message) for _ in range(2))
    for _ in range(5):
        assert answers.use_url(often).person == ADA
    with pytest.raises(SlackError, match="used_url"):
        answers.use_url(often)
    slack.clock_seconds += 1_801
    for name in (old, "odd"):
        with pytest.raises(SlackError, match="expired_url"):
            answers.use_url(name)
