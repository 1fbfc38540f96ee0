"""Texts of the bot: right for the state of queue and workers, and within Slack's limits."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import texts
from bot.messages.admission import Verdict
from contract.language import Language, Translatable
from contract.queue_eta import describe_position
from contract.texts import MODEL_LOADING
from contract.worker_status import WorkerStatus

IDLE = WorkerStatus(reported_at=1.0, slots=4, busy_slots=0)
BUSY = WorkerStatus(reported_at=1.0, slots=4, busy_slots=4, seconds_per_reply=8.0)
LOADING = WorkerStatus(reported_at=1.0, slots=4, busy_slots=0, loading=True)


def test_no_placeholder_if_a_worker_is_free() -> None:
    """If a worker can start at once, the worker itself posts the placeholder."""
    assert texts.placeholder_text(0, (IDLE,), None, is_behind_own=False) is None
    assert texts.placeholder_text(3, (IDLE, LOADING), None, is_behind_own=False) is None
    assert texts.placeholder_text(5, (BUSY, IDLE), 2.0, is_behind_own=False) is None
    assert texts.placeholder_text(1, (BUSY,), 2.0, is_behind_own=False) is None


def test_line_names_the_first_person_and_the_number_of_all() -> None:
    """A name is one line of bounded length."""
    assert str(texts.describe_ran("Ada", 1)) == "✓ ran for Ada"
    assert str(texts.describe_ran("Ada\n L", 2)) == "✓ ran for Ada L (2)"
    assert str(texts.describe_ran("", 1)) == "✓ ran for 1 person"
    assert str(texts.describe_ran("", 3)) == "✓ ran for 3 people"
    assert len(str(texts.describe_ran("x" * 999, 3))) < 100


def test_placeholder_without_workers_says_question_is_queued() -> None:
    """Without a worker, the text says that the question is not lost."""
    assert texts.placeholder_text(0, (), None, is_behind_own=False) == texts.NO_WORKER
    assert "queued" in str(texts.NO_WORKER)


def test_reanswer_button_identifies_question_and_edit() -> None:
    """The button's value holds thread, question and version of the edit."""
    section, actions = texts.reanswer_blocks(
        str(texts.EDITED_AFTER_ANSWER), Language.ENGLISH, ("1.1", "2.2"), "3.3"
    )

    assert "edited" in section["text"]["text"]
    [button] = actions["elements"]
    assert (button["action_id"], button["value"]) == ("answer_again", "1.1 2.2 3.3")


def test_placeholder_while_model_loads() -> None:
    """While no worker is ready, the text names the reason."""
    assert texts.placeholder_text(0, (LOADING,), None, is_behind_own=False) == MODEL_LOADING


def test_placeholder_in_queue_has_position_and_estimate() -> None:
    """If all slots are busy, the text has the number of questions ahead and the wait."""
    text = texts.placeholder_text(6, (BUSY,), 24.0, is_behind_own=False)
    assert text == describe_position(6, 24.0)


def test_placeholder_behind_own_questions() -> None:
    """A user whose slots are all taken waits although others' slots are free."""
    assert (
        texts.placeholder_text(5, (IDLE,), None, is_behind_own=True) == texts.BEHIND_OWN_QUESTIONS
    )
    assert texts.placeholder_text(5, (), None, is_behind_own=True) == texts.NO_WORKER


def test_refusals_say_when_to_ask_again() -> None:
    """A full queue and a used-up quota have different texts, each with a time."""
    assert "ask again in about a minute" in str(texts.queue_full(60))
    assert "ask again in a few minutes" in str(texts.queue_full(None))
    assert str(texts.user_quota_exceeded(1, 10)).startswith("You have 1 question waiting")
    assert str(texts.user_quota_exceeded(8, 10)).startswith("You have 8 questions waiting")


@pytest.mark.parametrize("describe", [texts.user_budget_exceeded, texts.channel_budget_exceeded])
def test_used_up_budget_says_when_it_resets(describe: Callable[[int], Translatable]) -> None:
    """At the end of its UTC day, which Slack shows in the reader's own time."""
    words = str(describe(20_787))
    assert "<!date^1796083200^{date_short_pretty}, {time}|00:00 UTC>" in words


def test_every_command_has_a_reply() -> None:
    """Each verdict but answer, ignore and the one that files answer has a reply."""
    without = {Verdict.ANSWER, Verdict.IGNORE, Verdict.CODE}
    assert set(texts.COMMAND_REPLIES) == set(Verdict) - without


@pytest.mark.parametrize(
    ("pending", "workers", "expected"),
    [
        (3, (), "No worker is running. Queued questions: 3."),
        (2, (LOADING,), "The model is still loading. Queued questions: 2."),
        (0, (IDLE,), "Ready. No question is waiting; I can answer 4 at the same time."),
        (4, (BUSY,), "Answering 4 of at most 4 questions at the same time."),
    ],
)
def test_status_text_for_each_state(
    pending: int, workers: tuple[WorkerStatus, ...], expected: str
) -> None:
    """Each state of queue and workers has one sentence."""
    assert str(texts.status_text(pending, workers, None)) == expected


def test_status_text_has_wait_if_known() -> None:
    """If the workers' pace is known, the status has the wait of a new question."""
    assert str(texts.status_text(9, (BUSY,), 12.0)).endswith("would start in about 10 seconds.")


@pytest.mark.parametrize(
    ("threads", "expected"),
    [(0, "no copy of a thread"), (1, "my copy of 1 thread."), (5, "my copies of 5 threads")],
)
def test_purge_text_has_number_of_threads(threads: int, expected: str) -> None:
    """The reply to `forget` says how many threads were deleted."""
    assert expected in str(texts.purge_text(threads))


def test_notice_is_a_verbatim_context_block() -> None:
    """A notice is a context block, which is never read back as a reply, and pings no person."""
    (block,) = texts.context_blocks("No worker is running.")

    assert block["type"] == "context"
    assert block["elements"][0]["verbatim"] is True


@given(
    st.integers(min_value=0, max_value=100_000),
    st.none() | st.floats(min_value=0, max_value=1e7),
    st.lists(st.sampled_from([IDLE, BUSY, LOADING]), max_size=3),
    st.booleans(),
)
def test_texts_are_short_and_have_no_markup_tokens(
    position: int,
    seconds: float | None,
    statuses: list[WorkerStatus],
    is_behind_own: bool,  # noqa: FBT001
) -> None:
    """No text exceeds 1,000 characters or holds a mention."""
    workers = tuple(statuses)
    generated = [
        texts.placeholder_text(position, workers, seconds, is_behind_own=is_behind_own) or "",
        texts.status_text(position, workers, seconds),
        texts.queue_full(seconds),
        texts.user_quota_exceeded(position, seconds),
        texts.purge_text(position),
        *texts.COMMAND_REPLIES.values(),
    ]

    assert all(len(text) < 1000 and "<" not in text for text in map(str, generated))
