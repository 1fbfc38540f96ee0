"""Messages before a reply, and instead of one."""

import pytest

from testing.slack_parser import context_texts, find_problems
from worker.errors import NoReplyError
from worker.render import Message, compose_error, compose_loading, compose_retrying, compose_waiting


def test_waiting_message_has_position_and_estimate() -> None:
    """It is the sentence that the bot posts for the same position."""
    message = compose_waiting(3, 47.0)

    assert context_texts(message) == [
        "3 questions are ahead of yours. I expect to start in about 45 seconds."
    ]
    assert find_problems(message) == []


@pytest.mark.parametrize(
    "message", [compose_loading(), compose_retrying(), compose_error(NoReplyError().user_message)]
)
def test_our_sentences_are_in_context_blocks(message: Message) -> None:
    """The bot reads only rich text back as a reply, so none of these becomes a turn."""
    assert [block["type"] for block in message.blocks] == ["context"]
    assert find_problems(message) == []
    assert message.text.replace("\u2060", "") == context_texts(message)[0]


def test_error_message_hides_the_exception() -> None:
    """Users read the error's `user_message`, nothing of the exception itself."""
    error = NoReplyError("secret")

    assert context_texts(compose_error(error.user_message)) == [NoReplyError().user_message]
    assert "secret" not in error.user_message
