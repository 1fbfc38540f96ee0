"""Best of n: candidates beside a growing reply, and the one that becomes the answer."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from contract import keys
from contract.rework import ReworkKind
from contract.stop import StopRecord
from testing.reply_harness import ReplyHarness
from testing.rework_harness import (
    TOKEN_SECONDS,
    RaisingFailpoints,
)
from testing.worker_harness import context_text, reply_text
from tests.worker.answering.candidates.race_steps import (
    BETTER,
    BROKEN,
    GOOD,
    PLAIN,
    RISKY,
    build_harness,
    check_in_process,
    read_details,
    reply_text_of,
)
from worker.answering.candidates.race import CANDIDATE_PRIORITY
from worker.failpoints import Failpoint
from worker.jobs.job_context import Outcome
from worker.prompt.tokenizer import Tokenizer
from worker.render.model import BlockFindings, CodeBlock


async def test_better_candidate_takes_the_first_ones_place(
    reply: ReplyHarness, directory: Path
) -> None:
    """The reply says so. *Show another* brings the others in turn, and generates nothing."""
    harness, engine = build_harness(reply, directory, BROKEN, RISKY, GOOD, BETTER)
    assert await harness.ask() is Outcome.ANSWERED

    [message] = reply.visible_messages
    assert reply_text([message]).strip() == reply_text_of(GOOD)
    assert "This is candidate 3 of 4. It replaced the first one" in context_text([message])
    details = await read_details(harness)
    assert (details.scores, details.candidate, details.chosen) == ((1, 2, 3, 3), 2, 2)
    seeds = [request.sampling.seed for request in engine.requests]
    assert [seed - seeds[0] for seed in seeds] == [0, 1, 2, 3]
    assert details.seed == seeds[2]
    assert len({request.prompt for request in engine.requests}) == 1
    assert [one.priority for one in engine.requests] == [0, *[CANDIDATE_PRIORITY] * 3]
    assert harness.list_buttons() == ["Regenerate", "Show another", "Details"]
    for expected, words in (
        (BROKEN, ""),
        (RISKY, "candidate 2 of 4, after a press of Show another"),
        (BETTER, "candidate 4 of 4, after a press of Show another"),
        (GOOD, "candidate 3 of 4. It replaced"),
    ):
        assert await harness.rework(ReworkKind.ANOTHER) is Outcome.ANSWERED
        [shown] = reply.visible_messages
        assert reply_text([shown]).strip() == reply_text_of(expected)
        assert words in context_text([shown])
        assert shown["ts"] == message["ts"]
    assert len(engine.requests) == 4


async def test_first_candidate_stays_if_none_is_better(
    reply: ReplyHarness, directory: Path
) -> None:
    """Its reply has no note. All candidates cost GPU time."""
    harness, _ = build_harness(reply, directory, GOOD, BROKEN, None, GOOD)
    await harness.ask()

    assert "candidate" not in context_text(reply.visible_messages)
    details = await read_details(harness)
    assert (details.scores, details.candidate) == ((3, 1, None, 3), 0)
    tokenizer = Tokenizer.from_checkpoint(directory)
    tokens = [len(tokenizer.encode(text)) for text in (GOOD, BROKEN, GOOD)]
    assert details.gpu_ms == sum(tokens) * TOKEN_SECONDS * 1000
    assert details.new_tokens == tokens[0]
    present, _ = await harness.read_versions()
    assert present is not None
    # The last one has the same text as the first.
    assert [other.text for other in present.others] == [BROKEN]


@pytest.mark.parametrize(
    ("text", "slots", "rules"),
    [
        (PLAIN, 4, {}),
        (BROKEN, 4, {"temperature": 0.0}),
        (BROKEN, 4, {"candidates": 1}),
        (BROKEN, 1, {}),
    ],
)
async def test_reply_without_code_chance_or_slots_has_one_candidate(
    reply: ReplyHarness, directory: Path, text: str, slots: int, rules: dict[str, float]
) -> None:
    """Nothing tells that there might have been more."""
    harness, engine = build_harness(reply, directory, text, GOOD, slots=slots, **rules)
    assert await harness.ask() is Outcome.ANSWERED

    assert len(engine.requests) == 1
    assert harness.list_buttons() == ["Regenerate", "Details"]
    assert (await read_details(harness)).scores == ()


async def test_continued_and_replayed_replies_have_one_candidate(
    reply: ReplyHarness, directory: Path
) -> None:
    """The same seed must give the same text, and a continuation is the same turn."""
    harness, engine = build_harness(reply, directory, GOOD, BETTER, GOOD, GOOD)
    await harness.ask()
    await harness.rework(ReworkKind.REPLAY)
    assert len(engine.requests) == 5
    assert (await read_details(harness)).scores == ()
    await harness.rework(ReworkKind.REGENERATE)
    assert len((await read_details(harness)).scores) == 4
    assert harness.list_buttons() == ["Regenerate", "Previous", "Show another", "Details"]


async def test_failing_checks_leave_the_first_candidate(
    reply: ReplyHarness, directory: Path
) -> None:
    """None is known to be better, and the reply is not lost."""
    harness, _ = build_harness(reply, directory, BROKEN, GOOD, GOOD, GOOD)

    async def fail(blocks: Sequence[CodeBlock]) -> Mapping[CodeBlock, BlockFindings]:
        if len(blocks) == 1 and "= =" not in blocks[0].text:
            raise OSError("no child process")
        return await check_in_process(blocks)

    harness.check_blocks = fail
    assert await harness.ask() is Outcome.ANSWERED
    assert reply_text(reply.visible_messages).strip() == reply_text_of(BROKEN)
    assert (await read_details(harness)).scores == (1, None, None, None)
    assert "Show another" in harness.list_buttons()


async def test_stop_ends_all_candidates(reply: ReplyHarness, directory: Path) -> None:
    """The first one's text stays, and every slot is free."""
    harness, engine = build_harness(reply, directory, BROKEN, GOOD, GOOD, GOOD)
    engine.is_held = True
    running = asyncio.create_task(harness.ask())
    await engine.are_held.wait()
    record = StopRecord(user="U0ADA00001", name="Ada").to_json()
    await reply.client.hset(reply.job_key, keys.STOPPED_BY, record)
    harness.context.stopped.set()

    assert await running is Outcome.STOPPED
    loaded = await harness.generator.wait_for_model()
    assert [await loaded.spare_slots.take_slot(name) for name in "abcd"] == [True] * 4
    assert reply_text(reply.visible_messages).strip() == reply_text_of(BROKEN)
    assert harness.list_buttons() == ["Regenerate", "Details"]


@pytest.mark.parametrize("point", [Failpoint.GENERATING, Failpoint.AFTER_ANSWER_SAVED])
async def test_kill_mixes_no_texts(reply: ReplyHarness, directory: Path, point: Failpoint) -> None:
    """A saved choice is posted as it is; before that, the next execution starts again."""
    harness, _ = build_harness(reply, directory, BROKEN, GOOD, BROKEN, BROKEN)
    assert await harness.ask(RaisingFailpoints(point)) is Outcome.ANSWERED

    assert len(reply.visible_messages) == 1
    assert reply_text(reply.visible_messages).strip() == reply_text_of(GOOD)
    assert (await read_details(harness)).scores == (1, 3, 1, 1)


@pytest.mark.parametrize("point", [Failpoint.AFTER_SURPLUS_DELETED, Failpoint.AFTER_FINAL])
async def test_kill_while_another_is_shown_brings_the_next_one_once(
    reply: ReplyHarness, directory: Path, point: Failpoint
) -> None:
    """The candidates take one turn, however often the job runs."""
    harness, _ = build_harness(reply, directory, GOOD, BETTER, RISKY, BROKEN)
    await harness.ask()
    killed = RaisingFailpoints(point)
    assert await harness.rework(ReworkKind.ANOTHER, killed) is Outcome.ANSWERED
    assert await harness.repeat() is Outcome.ANSWERED

    assert reply_text(reply.visible_messages).strip() == reply_text_of(BETTER)
    present, _ = await harness.read_versions()
    assert present is not None
    texts = [version.text for version in (present, *present.others)]
    assert texts == [BETTER, RISKY, BROKEN, GOOD]


async def test_question_gets_the_slot_of_the_newest_candidate(
    reply: ReplyHarness, directory: Path
) -> None:
    """The reply keeps the others; the candidate counts as given up."""
    harness, engine = build_harness(reply, directory, BROKEN, GOOD, GOOD, GOOD)
    engine.is_held = True
    running = asyncio.create_task(harness.ask())
    await engine.are_held.wait()
    loaded = await harness.generator.wait_for_model()
    assert loaded.slots.locked()
    assert not loaded.is_full
    async with harness.generator.hold_slot(loaded, exclusive=False):
        assert [request_id[-2:] for request_id in engine.aborted_ids] == ["-3"]
    for number in (1, 2):
        engine.abort_request(engine.aborted_ids[0][:-1] + str(number))

    assert await running is Outcome.ANSWERED
    assert (await read_details(harness)).scores == (1, None, None, None)
    assert harness.list_buttons() == ["Regenerate", "Details"]


async def test_secrets_in_other_candidates_are_masked(reply: ReplyHarness, directory: Path) -> None:
    """Redis has no text that a reply could not show."""
    key = "AKIA" + "Q7MZX2LPD4RT6WBY"
    harness, _ = build_harness(reply, directory, GOOD, f"{GOOD}{key}", GOOD, GOOD)
    await harness.ask()
    present, _ = await harness.read_versions()

    assert present is not None
    assert "<secret:" in present.others[0].text
    assert present.others[0].token_ids == ()
    assert key not in present.model_dump_json()
