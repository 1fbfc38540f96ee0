"""Every sentence of the bot is kind, true and short enough for Slack."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import texts
from bot.messages.admission import Verdict
from contract.worker_status import WorkerStatus

IDLE = WorkerStatus(reported_at=1.0, slots=4, busy_slots=0)
BUSY = WorkerStatus(reported_at=1.0, slots=4, busy_slots=4, seconds_per_reply=8.0)
LOADING = WorkerStatus(reported_at=1.0, slots=4, busy_slots=0, loading=True)


def test_a_question_that_starts_at_once_needs_no_sign() -> None:
    """Where a worker is free the worker itself shows that it has begun."""
    assert texts.placeholder_text(0, (IDLE,), None, is_behind_own=False) is None
    assert texts.placeholder_text(3, (IDLE, LOADING), None, is_behind_own=False) is None
    assert texts.placeholder_text(5, (BUSY, IDLE), 2.0, is_behind_own=False) is None
    assert texts.placeholder_text(1, (BUSY,), 2.0, is_behind_own=False) is None


def test_a_question_without_a_worker_is_kept_and_said_to_be() -> None:
    """With nobody to answer, the person reads that nothing is lost."""
    assert texts.placeholder_text(0, (), None, is_behind_own=False) == texts.NO_WORKER
    assert "kept" in texts.NO_WORKER


def test_an_edited_question_has_a_button() -> None:
    """The button carries what is needed to find the question again."""
    section, actions = texts.reanswer_blocks(texts.EDITED_AFTER_ANSWER, "1.1", "2.2", "3.3")

    assert "edited" in section["text"]["text"]
    [button] = actions["elements"]
    assert (button["action_id"], button["value"]) == ("answer_again", "1.1 2.2 3.3")


def test_a_model_that_loads_is_said_to_load() -> None:
    """While no worker is ready the person reads why."""
    assert texts.placeholder_text(0, (LOADING,), None, is_behind_own=False) == texts.MODEL_LOADING


def test_a_question_in_line_has_a_place_and_an_estimate() -> None:
    """Who waits reads how long, as far as anybody knows."""
    assert texts.placeholder_text(6, (BUSY,), 24.0, is_behind_own=False) == (
        "6 questions are ahead of yours. I expect to start in about 25 seconds."
    )


def test_a_question_that_waits_for_another_one_says_so() -> None:
    """Free slots are of no use to who has taken all of theirs, and the person reads why."""
    assert (
        texts.placeholder_text(5, (IDLE,), None, is_behind_own=True) == texts.BEHIND_OWN_QUESTIONS
    )
    assert texts.placeholder_text(5, (), None, is_behind_own=True) == texts.NO_WORKER


def test_who_is_declined_reads_when_to_come_back() -> None:
    """A full line and a person's own limit are told apart, with a time."""
    assert "ask again in about a minute" in texts.queue_full(60)
    assert "ask again in a few minutes" in texts.queue_full(None)
    assert texts.user_quota_exceeded(1, 10).startswith("One question of yours is still waiting")
    assert texts.user_quota_exceeded(8, 10).startswith("8 questions of yours are still waiting")


def test_every_command_has_an_answer() -> None:
    """Whatever is no question and not ignored is answered by a sentence."""
    assert set(texts.COMMAND_REPLIES) == set(Verdict) - {Verdict.ANSWER, Verdict.IGNORE}


@pytest.mark.parametrize(
    ("pending", "workers", "said"),
    [
        (3, (), "No worker is running. Questions that are kept: 3."),
        (2, (LOADING,), "The model is still being loaded. Questions that are kept: 2."),
        (0, (IDLE,), "Ready: nothing is waiting, 4 can be answered at the same time."),
        (4, (BUSY,), "Answering 4 at the moment; 4 can be answered at the same time."),
    ],
)
def test_the_status_says_how_things_stand(
    pending: int, workers: tuple[WorkerStatus, ...], said: str
) -> None:
    """The status is one sentence for each state that a person can meet."""
    assert texts.status_text(pending, workers, None) == said


def test_the_status_says_when_a_new_question_would_start() -> None:
    """Where the pace is known, so is the wait."""
    assert texts.status_text(9, (BUSY,), 12.0).endswith("would start in about 10 seconds.")


@pytest.mark.parametrize(
    ("threads", "said"),
    [(0, "nothing of this channel"), (1, "one thread"), (5, "5 threads")],
)
def test_forgetting_says_what_was_dropped(threads: int, said: str) -> None:
    """Who asks the bot to forget reads what that meant."""
    assert said in texts.purge_text(threads)


def test_notices_are_small_print_that_pings_nobody() -> None:
    """A notice is a context block: it is never read back as something that we answered."""
    (block,) = texts.context_blocks("No worker is running.")

    assert block["type"] == "context"
    assert block["elements"][0]["verbatim"] is True


def test_the_home_tab_is_a_view_that_slack_takes() -> None:
    """The Home tab stays within Slack's limits."""
    view = texts.home_view(texts.status_text(0, (), None))

    assert view["type"] == "home"
    assert len(view["blocks"]) <= 100
    assert all(len(json.dumps(block)) < 3000 for block in view["blocks"])


@given(
    st.integers(min_value=0, max_value=100_000),
    st.none() | st.floats(min_value=0, max_value=1e7),
    st.lists(st.sampled_from([IDLE, BUSY, LOADING]), max_size=3),
    st.booleans(),
)
def test_no_sentence_is_too_long_or_pings(
    place: int,
    seconds: float | None,
    workers: list[WorkerStatus],
    held: bool,  # noqa: FBT001
) -> None:
    """Nothing that the bot says is longer than Slack shows, and nothing in it is a token."""
    beats = tuple(workers)
    said = [
        texts.placeholder_text(place, beats, seconds, is_behind_own=held) or "",
        texts.status_text(place, beats, seconds),
        texts.queue_full(seconds),
        texts.user_quota_exceeded(place, seconds),
        texts.purge_text(place),
        *texts.COMMAND_REPLIES.values(),
    ]

    assert all(len(sentence) < 1000 and "<" not in sentence for sentence in said)
