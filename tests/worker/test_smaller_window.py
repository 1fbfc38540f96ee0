"""A worker whose inference server comes back with smaller context windows."""

from pathlib import Path

from testing.inference_server import InferenceServerThread
from testing.memorizing_model import ANSWERS, MUTEX
from testing.worker_harness import WorkerHarness, reply_text
from worker.prompt.tokenizer import Tokenizer

PROOF_TOKENS = 4
QUESTION = f"{MUTEX} {'word ' * 40}"


def test_worker_follows_the_window_of_its_server(harness: WorkerHarness, model: str) -> None:
    """
    A long thread gets its reply with a shorter history.

    A window without room for a reply stops the worker with one line, as at the start.
    """
    with InferenceServerThread() as inference:
        server = inference.server
        server.reply = list(Tokenizer.from_checkpoint(Path(model)).encode(ANSWERS[MUTEX]))
        with harness.start_worker(model, STARCHAT_ENGINE_URL=server.url) as worker:
            first = harness.enqueue_question(QUESTION)
            harness.wait_for_end(first)
            server.context_tokens //= 2
            second = harness.enqueue_question(QUESTION, previous=first)
            [message] = harness.wait_for_end(second)
            alone, *_, shortened = [
                body["prompt"] for _, body, _ in server.posts if len(body["prompt"]) > PROOF_TOKENS
            ]
            server.context_tokens = 8
            harness.enqueue_question(QUESTION)

            assert worker.wait_for_exit() == 1
            last_line = worker.log_text.splitlines()[-1]

    assert reply_text([message]).strip() == ANSWERS[MUTEX]
    assert len(shortened) == len(alone)
    assert last_line.startswith("worker: STARCHAT_MODEL cannot be used: the system prompt takes ")
