"""Rows in which a question kills the engine in all kinds of ways, or is as long as the model."""

import os
import signal
from itertools import cycle
from typing import Final

from chaos.checker.collector import make_token
from chaos.load import LONG_QUESTION, Question
from chaos.recovery import parse_log
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from chaos.scenarios.worker_failures import MAX_GENERATION_ATTEMPTS, engine_pid, iterate_writers
from contract.conversation import Speaker
from testing.checkpoints import long_bigcode
from testing.memorizing_model import GREET
from worker.prompt.builder import MIN_NEW_TOKENS
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message
from worker.prompt.tokenizer import Tokenizer

FATAL_SIGNALS: Final = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)
"""What ends a process without memory, with a bad pointer, with a failed assertion."""
CONTEXT_TOKENS: Final = 8192
"""Positions of StarChat, and of the model of the row with long questions."""
OFFSETS_TOKENS: Final = (-9, -6, -3, -1, 0, 1, 3, 6, 9)
"""How far the questions are from a limit. Their tokens make them a few ids longer or shorter."""
LENGTH_TOLERANCE_TOKENS: Final = 12
HUGE_PROMPT_TOKENS: Final = 50_000
FILLER: Final = "ü"
"""One character, two bytes, two ids at least: what it takes is not merged with its neighbours."""


def crash_engine_repeatedly(run: ScenarioRun) -> None:
    """Let the engine die in another way each time that it answers one of some questions."""
    signals = cycle(run.rng.sample(FATAL_SIGNALS, len(FATAL_SIGNALS)))
    healthy: list[Question] = []
    poisons: list[Question] = []
    for _ in range(run.scale_count(1)):
        healthy += run.ask_questions(run.scale_count(10, 4))
        poisons.append(run.ask_one(LONG_QUESTION))
        for worker in iterate_writers(run, poisons[-1]):
            fatal_signal = next(signals)
            os.kill(engine_pid(worker), fatal_signal)
            run.faults[fatal_signal.name] += 1
            worker.wait_for_event("engine_ended")
            healthy += run.ask_questions(run.scale_count(4, 2))
    run.wait_for_replies()
    without_error = [q for q in poisons if not run.watcher.wait_for_state(q, "error")]
    if without_error:
        run.failures.append(f"{len(without_error)} poisons without an error")
    if run.faults.total() > MAX_GENERATION_ATTEMPTS * len(poisons):
        run.failures.append("a poison was tried too often")
    punished = [question for question in healthy if run.watcher.wait_for_state(question, "error")]
    if punished:
        run.failures.append(f"{len(punished)} healthy questions ended as errors")
    run.notes.append(f"{len(poisons)} poisons, {len(healthy)} beside them")


def vary_prompt_length(run: ScenarioRun) -> None:
    """Ask what just fits, what just does not, and far more than the model has positions."""
    encoder = ChatEncoder.from_checkpoint(long_bigcode(), Tokenizer.from_checkpoint(long_bigcode()))
    max_prompt_tokens = CONTEXT_TOKENS - MIN_NEW_TOKENS
    sizes = [
        limit + offset for limit in (max_prompt_tokens, CONTEXT_TOKENS) for offset in OFFSETS_TOKENS
    ]
    asked = {
        size: run.ask_one(_build_prompt(encoder, size)) for size in (*sizes, HUGE_PROMPT_TOKENS)
    }
    run.ask_one(GREET)
    run.wait_for_replies()
    run.faults["long question"] += len(asked)
    for size, question in asked.items():
        if run.watcher.wait_for_state(
            question, "final" if size > max_prompt_tokens else "error"
        ) and (abs(size - max_prompt_tokens) > LENGTH_TOLERANCE_TOKENS):
            run.failures.append(f"{size} ids: answered and should not be, or the other way round")
    finals = sum(run.watcher.wait_for_state(question, "final") for question in asked.values())
    run.notes.append(f"{finals} answered, {len(asked) - finals} told that they are too long")
    log_events = [line for worker in run.cluster.workers for line in parse_log(worker)]
    bad = [
        line["event"]
        for line in log_events
        if line.get("event") in {"engine refused", "step_failed"}
    ]
    if bad:
        run.failures.append(f"out of range: {len(bad)} {bad[0]}")


def _build_prompt(encoder: ChatEncoder, size: int) -> str:
    """Return a question whose prompt has about so many ids."""
    overhead = len(encoder.encode_messages((Message(Speaker.USER, make_token(0)),)))
    ids_per_character = len(encoder.tokenizer.encode(FILLER * 100)) / 100
    return FILLER * round((size - overhead) / ids_per_character)


ENGINE_CRASHES: Final = Scenario(
    "W8", "poison: its engine dies by another signal each time", crash_engine_repeatedly
)
PROMPT_LENGTHS: Final = Scenario(
    "W12", "questions of 8,119 to 8,201 and 50,000 ids, 8,192 fit", vary_prompt_length
)
