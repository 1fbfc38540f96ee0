"""What stands in a thread before there is a reply, or where there will be none."""

import pytest

from testing.slack_parser import context_texts, find_problems
from worker.errors import NoReplyError
from worker.render import Message, compose_error, compose_loading, compose_retrying, compose_waiting


def test_a_question_in_line_learns_its_place_and_an_honest_wait() -> None:
    """It reads what the bot says of the same place."""
    message = compose_waiting(3, 47.0)

    assert context_texts(message) == [
        "3 questions are before yours. I expect to start in about 45 seconds."
    ]
    assert find_problems(message) == []


@pytest.mark.parametrize(
    "message", [compose_loading(), compose_retrying(), compose_error(NoReplyError().user_message)]
)
def test_sentences_of_ours_stand_in_context_blocks_alone(message: Message) -> None:
    """The bot reads only rich text as words of a reply, so none of these becomes a turn."""
    assert [block["type"] for block in message.blocks] == ["context"]
    assert find_problems(message) == []
    assert message.text.replace("\u2060", "") == context_texts(message)[0]


def test_an_error_is_the_sentence_of_its_class() -> None:
    """People read what `worker.errors` says, nothing of the exception itself."""
    assert context_texts(compose_error(NoReplyError("secret").user_message)) == [
        NoReplyError.__doc__
    ]
