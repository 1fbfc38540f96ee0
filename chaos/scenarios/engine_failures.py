"""Rows in which a question kills the engine in all kinds of ways, or is as long as the model."""

import os
import signal
from itertools import cycle
from typing import Final

from chaos.checker.collector import token
from chaos.load import LONG, Question
from chaos.recovery import events
from chaos.run import Trial
from chaos.scenario import Row
from chaos.scenarios.worker_failures import CAP, engine_of, writers
from contract.conversation import Speaker
from testing.checkpoints import long_bigcode
from testing.memorizing_model import GREET
from worker.prompt.builder import LEAST_NEW
from worker.prompt.chat_encoder import Dialogue
from worker.prompt.chat_format import Message
from worker.prompt.tokenizer import Tokenizer

ENDS: Final = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT)
"""What ends a process without memory, with a bad pointer, with a failed assertion."""
POSITIONS: Final = 8192
"""Positions of StarChat, and of the model of the row with long questions."""
AROUND: Final = (-9, -6, -3, -1, 0, 1, 3, 6, 9)
"""How far the questions are from a limit. Their tokens make them a few ids longer or shorter."""
UNSURE: Final = 12
HUGE: Final = 50_000
FILLER: Final = "ü"
"""One character, two bytes, two ids at least: what it takes is not merged with its neighbours."""


def poison(trial: Trial) -> None:
    """Let the engine die in another way each time that it answers one of some questions."""
    ends = cycle(trial.dice.sample(ENDS, len(ENDS)))
    healthy: list[Question] = []
    poisons: list[Question] = []
    for _ in range(trial.many(1)):
        healthy += trial.ask(trial.many(10, 4))
        poisons.append(trial.say(LONG))
        for worker in writers(trial, poisons[-1]):
            end = next(ends)
            os.kill(engine_of(worker), end)
            trial.faults[end.name] += 1
            worker.wait_for("engine_ended")
            healthy += trial.ask(trial.many(4, 2))
    trial.settle()
    alive = [q for q in poisons if not trial.following.shown(q, "error")]
    if alive:
        trial.broken.append(f"{len(alive)} poisons without an error")
    if trial.faults.total() > CAP * len(poisons):
        trial.broken.append("a poison was tried too often")
    punished = [question for question in healthy if trial.following.shown(question, "error")]
    if punished:
        trial.broken.append(f"{len(punished)} healthy questions ended as errors")
    trial.notes.append(f"{len(poisons)} poisons, {len(healthy)} beside them")


def lengths(trial: Trial) -> None:
    """Ask what just fits, what just does not, and far more than the model has positions."""
    dialogue = Dialogue.load(long_bigcode(), Tokenizer.load(long_bigcode()))
    room = POSITIONS - LEAST_NEW
    sizes = [limit + some for limit in (room, POSITIONS) for some in AROUND]
    asked = {size: trial.say(_sized(dialogue, size)) for size in (*sizes, HUGE)}
    trial.say(GREET)
    trial.settle()
    trial.faults["long question"] += len(asked)
    for size, question in asked.items():
        if trial.following.shown(question, "final" if size > room else "error") and (
            abs(size - room) > UNSURE
        ):
            trial.broken.append(f"{size} ids: answered and should not be, or the other way round")
    finals = sum(trial.following.shown(question, "final") for question in asked.values())
    trial.notes.append(f"{finals} answered, {len(asked) - finals} told that they are too long")
    said = [line for worker in trial.stage.workers for line in events(worker)]
    bad = [line["event"] for line in said if line.get("event") in {"engine refused", "step_failed"}]
    if bad:
        trial.broken.append(f"out of range: {len(bad)} {bad[0]}")


def _sized(dialogue: Dialogue, size: int) -> str:
    """Return a question whose prompt has about so many ids."""
    least = len(dialogue.ids((Message(Speaker.USER, token(0)),)))
    each = len(dialogue.tokenizer.encode(FILLER * 100)) / 100
    return FILLER * round((size - least) / each)


POISON: Final = Row("W8", "poison: its engine dies by another signal each time", poison)
LENGTHS: Final = Row("W12", "questions of 8,119 to 8,201 and 50,000 ids, 8,192 fit", lengths)
