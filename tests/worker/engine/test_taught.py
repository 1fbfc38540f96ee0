"""The checkpoint that everybody's end-to-end tests use says what it was taught, to the byte."""

from collections.abc import Sequence

import pytest
import tokenizers

from contract.conversation import Speaker
from tests.support import taught
from tests.support.checkpoints import taught_checkpoint
from tests.support.running import run
from worker.dialogue import Dialogue
from worker.engine import FinishReason, Request, Sampling
from worker.engine.batching import Batching
from worker.engine.options import Options
from worker.engine.weights import Loaded, load
from worker.scaffold import Message
from worker.tokens import Tokenizer


@pytest.fixture(scope="module")
def model() -> Loaded:
    """The model that was taught, made now if it is not in the cache."""
    directory = taught_checkpoint()
    return load(directory, Options(model=str(directory), slots=4), lambda _stage, _done: None)


@pytest.fixture(scope="module")
def dialogue(model: Loaded) -> Dialogue:
    """The form of its conversations."""
    directory = model.about.directory
    return Dialogue.load(directory, Tokenizer.load(directory), model.about.eos)


def text(model: Loaded, ids: Sequence[int]) -> str:
    """Return what ids spell."""
    return tokenizers.Tokenizer.from_file(str(model.about.directory / "tokenizer.json")).decode(ids)


def conversation(questions: Sequence[str]) -> list[Message]:
    """Return the questions with the answers between them."""
    said: list[Message] = []
    for place, question in enumerate(questions):
        said.append(Message(Speaker.USER, question))
        said.append(Message(Speaker.ASSISTANT, taught.answer(questions[: place + 1])))
    return said[:-1]


@pytest.mark.timeout(300)
def test_every_taught_answer_comes_out_to_the_byte(model: Loaded, dialogue: Dialogue) -> None:
    """Alone, as a follow-up, and all of them in one batch; what is unknown has its own answer."""
    asked = [[question] for question in taught.ANSWERS]
    asked += [[first, taught.FOLLOW_UP] for first in taught.FOLLOW_UPS]
    asked += [[taught.REVERSE, taught.IN_PLACE], ["How are you?"]]
    sampling = Sampling(max_new_tokens=100, temperature=0)
    requests = [
        Request(str(number), dialogue.ids(conversation(questions)), sampling, dialogue.stop)
        for number, questions in enumerate(asked)
    ]
    engine = Batching(model.network, model.slots, vocabulary=model.about.vocabulary, budget=128)

    replies = run(engine, requests)

    for number, questions in enumerate(asked):
        assert text(model, replies[str(number)].ids) == "\n" + taught.answer(questions)
        assert replies[str(number)].reason is FinishReason.STOP


def test_the_endless_answer_goes_on_to_its_limit(model: Loaded, dialogue: Dialogue) -> None:
    """So that stopping and limits can be tested with words that are known."""
    ids = dialogue.ids(conversation([taught.ENDLESS]))
    request = Request("a", ids, Sampling(max_new_tokens=900, temperature=0), dialogue.stop)
    engine = Batching(model.network, model.slots, vocabulary=model.about.vocabulary, budget=128)

    reply = run(engine, [request])["a"]

    assert reply.reason is FinishReason.LENGTH
    assert text(model, reply.ids) == "\nla" + taught.ROUND * reply.ids.count(reply.ids[-1])
