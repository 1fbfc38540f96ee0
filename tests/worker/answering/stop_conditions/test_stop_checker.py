"""Stop checker: turns and loops in a growing reply, and at its end."""

import pytest

from worker.answering.stop_conditions.stop_checker import ReplyCut, StopChecker
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.engine import FinishReason
from worker.render.model import CutReason

ADA = TurnLabels(frozenset({"Ada"}))
STOP_STRINGS = ("<|system|>", "<|user|>", "<|end|>")


def test_loop_is_cut_soon_after_it_reaches_the_bound() -> None:
    """The reply ends long before its token limit."""
    checker, text = StopChecker(ADA, STOP_STRINGS), "Well: "
    cut = None
    while cut is None and len(text) < 10_000:
        text += "the same thing "
        cut = checker.find_cut(text)

    assert cut is not None
    assert cut.reason is CutReason.REPETITION
    assert text[: cut.length].strip() == "Well:" + " the same thing" * 3
    assert len(text) < 2_700


def test_turn_is_cut_while_the_reply_grows() -> None:
    """The text before it was shown, and nothing of it."""
    checker = StopChecker(ADA, STOP_STRINGS)

    assert checker.find_cut("Done.\n\nAda: so") is None
    assert checker.settled_text("Done.\n\nAda: so") == "Done.\n\n"
    assert checker.find_cut("Done.\n\nAda: so\n\n") == ReplyCut(7, CutReason.FOREIGN_TURN)


def test_turn_may_end_the_reply() -> None:
    """The model ended it as a person would."""
    cut = StopChecker(ADA, STOP_STRINGS).find_final_cut("Done.\n\nAda: so", FinishReason.STOP)

    assert cut == ReplyCut(7, CutReason.FOREIGN_TURN)


@pytest.mark.parametrize(
    ("reason", "shown_times"),
    [
        (FinishReason.LENGTH, 3),
        (FinishReason.TIMEOUT, 3),
        (FinishReason.STOP, 50),
        (FinishReason.STOPPED, 50),
    ],
)
def test_short_loop_counts_only_at_a_limit(reason: FinishReason, shown_times: int) -> None:
    """A model that ended its repetition meant it."""
    text = "Well: " + "the same thing " * 50
    cut = StopChecker(ADA, STOP_STRINGS).find_final_cut(text, reason)

    assert text[: cut.length if cut else None].count("same") == shown_times


def test_first_of_a_turn_and_a_token_counts() -> None:
    """Both are found in one step if the engine sends many tokens at once."""
    text = "Done.\n\nAda: so<|user|>"

    assert StopChecker(ADA, STOP_STRINGS).find_cut(text) == ReplyCut(7, CutReason.FOREIGN_TURN)
    assert StopChecker(ADA, STOP_STRINGS).find_cut("Done.<|user|>\nAda: so\n\n") == ReplyCut(
        5, CutReason.SPELLED_CONTROL
    )
