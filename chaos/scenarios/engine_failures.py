"""Engine failures: kills, hangs, and prompts around the context limit."""

import os
import signal
import time
from typing import Final

from chaos.checker.collector import make_token
from chaos.recovery import parse_log
from chaos.run import ScenarioRun
from chaos.scenario import Scenario
from contract.conversation import Speaker
from testing.checkpoints import long_bigcode
from testing.memorizing_model import GREET
from testing.process_tree import find_engine
from worker.prompt.builder import MIN_NEW_TOKENS
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message
from worker.prompt.tokenizer import Tokenizer

HANG_SECONDS: Final = 30.0
"""Time without a step after which a worker kills its engine."""
CONTEXT_TOKENS: Final = 8192
"""Context window of StarChat, and of the tiny model of `vary_prompt_length`."""
OFFSETS_TOKENS: Final = (-9, -6, -3, -1, 0, 1, 3, 6, 9)
"""Distances of the questions from a limit, in tokens."""
LENGTH_TOLERANCE_TOKENS: Final = 12
"""Error of a question's length: its token is a few ids longer or shorter."""
HUGE_PROMPT_TOKENS: Final = 50_000
"""Length of a prompt far above the context window."""
FILLER: Final = "ü"
"""Two bytes and at least two ids, which the tokenizer does not merge with their neighbours."""


def kill_and_hang_engines(run: ScenarioRun) -> None:
    """Kill each worker's engine, then hang one until its worker kills it."""
    for worker in list(run.cluster.workers):
        run.ask_questions(run.scale_count(16, 6))
        os.kill(find_engine(worker.pid), signal.SIGKILL)
        run.faults["engine killed"] += 1
        worker.wait_for_event("engine_ended")
    run.wait_for_replies()
    worker = run.cluster.workers[0]
    hung = find_engine(worker.pid)
    os.kill(hung, signal.SIGSTOP)
    started_at = time.monotonic()
    run.faults["engine hung"] += 1
    run.ask_questions(run.scale_count(24, 10), seconds=2)
    worker.wait_for_event("engine_hangs", timeout=HANG_SECONDS + 20)
    run.notes.append(f"hung engine killed after {time.monotonic() - started_at:.1f} s")


def vary_prompt_length(run: ScenarioRun) -> None:
    """Ask questions just below and just above the context limit, and one far above it."""
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
            run.failures.append(
                f"{size} ids: answered although too long, or rejected although short"
            )
    finals = sum(run.watcher.wait_for_state(question, "final") for question in asked.values())
    run.notes.append(f"{finals} answered, {len(asked) - finals} rejected as too long")
    log_events = [line for worker in run.cluster.workers for line in parse_log(worker)]
    bad = [
        line["event"]
        for line in log_events
        if line.get("event") in {"engine refused", "step_failed"}
    ]
    if bad:
        run.failures.append(f"out of range: {len(bad)} {bad[0]}")


def _build_prompt(encoder: ChatEncoder, size: int) -> str:
    """Return a question whose prompt has about `size` ids."""
    overhead = len(encoder.encode_messages((Message(Speaker.USER, make_token(0)),)))
    ids_per_character = len(encoder.tokenizer.encode(FILLER * 100)) / 100
    return FILLER * round((size - overhead) / ids_per_character)


ENGINE_KILLED: Final = Scenario(
    "engine-killed-or-hung",
    "W11",
    "engine killed under its worker, and hung",
    kill_and_hang_engines,
)
PROMPT_LENGTHS: Final = Scenario(
    "prompts-around-context-limit",
    "W12",
    "questions of 8,119 to 8,201 and 50,000 ids, 8,192 fit",
    vary_prompt_length,
)
