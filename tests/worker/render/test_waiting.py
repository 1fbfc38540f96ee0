"""Messages before a reply, and instead of one."""

import pytest

from contract.language import Language, Translatable
from contract.queue_eta import describe_position
from contract.texts import MODEL_LOADING
from testing.slack_parser import context_texts, find_problems
from worker.errors import NoReplyError
from worker.render import compose_status
from worker.render.texts import RETRYING, WRITING


def test_waiting_message_has_position_and_estimate() -> None:
    """It is the sentence that the bot posts for the same position."""
    message = compose_status(describe_position(3, 47.0), Language.ENGLISH)

    assert context_texts(message) == [
        "3 questions are ahead of yours. I expect to start in about 45 seconds."
    ]
    assert find_problems(message) == []


@pytest.mark.parametrize("sentence", [MODEL_LOADING, RETRYING, WRITING, NoReplyError.user_message])
@pytest.mark.parametrize("language", Language)
def test_our_sentences_are_in_context_blocks(sentence: Translatable, language: Language) -> None:
    """The bot reads only rich text back as a reply, so none of these becomes a turn."""
    message = compose_status(sentence, language)
    assert [block["type"] for block in message.blocks] == ["context"]
    assert find_problems(message) == []
    assert message.text.replace("\u2060", "") == context_texts(message)[0]


def test_error_message_hides_the_exception() -> None:
    """Users read the error's `user_message`, nothing of the exception itself."""
    error = NoReplyError("secret")

    assert context_texts(compose_status(error.user_message, Language.ENGLISH)) == [
        "I couldn't answer this. Please ask again."
    ]
    assert "secret" not in str(error.user_message)
