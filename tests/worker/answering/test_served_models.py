"""Served models: which threads the canary answers, and what stops the start."""

import json
import shutil
from pathlib import Path

import pytest

from contract.job import Thread
from testing.checkpoints import tiny_bigcode
from testing.scripted_engine import ScriptedEngine
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.served_models import ServedModels, is_canary_thread
from worker.engine import LoadError

THREADS = [Thread(team="T1", channel="C1", ts=f"{number}.000100") for number in range(4000)]


def build_generator(directory: Path) -> Generator:
    """Return a generator on an engine that replies with a fixed text."""
    return Generator(
        ScriptedEngine(directory, "hi", slots=3), GenerationSettings(8, 0.2, 50, 1, "")
    )


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_canary_answers_its_share_of_the_threads(share: float) -> None:
    """Within four standard deviations."""
    chosen = sum(is_canary_thread(thread, share) for thread in THREADS)

    assert abs(chosen - 4000 * share) < 4 * (4000 * share * (1 - share)) ** 0.5


def test_larger_share_keeps_the_canarys_threads() -> None:
    """No thread goes back to the stable model while the share grows."""
    few = {thread.ts for thread in THREADS if is_canary_thread(thread, 0.1)}
    more = {thread.ts for thread in THREADS if is_canary_thread(thread, 0.2)}

    assert few < more


def test_threads_stay_on_their_model() -> None:
    """Each question of a thread has the same generator; without a canary it is the stable one."""
    models = ServedModels(build_generator(Path()), build_generator(Path()), 0.5)
    alone = ServedModels(models.stable)

    assert {models.choose(thread) for thread in THREADS} == {models.stable, models.canary}
    assert all(models.choose(thread) is models.choose(thread) for thread in THREADS)
    assert {alone.choose(thread) for thread in THREADS} == {models.stable}


async def test_slots_of_both_models_count() -> None:
    """The worker takes jobs for both."""
    models = ServedModels(build_generator(tiny_bigcode()), build_generator(tiny_bigcode()), 0.5)

    assert await models.wait_for_models() == 6
    assert not models.is_loading()


async def test_canary_with_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """A thread's answers are kept as token ids, which both models must read alike."""
    canary = shutil.copytree(tiny_bigcode(), tmp_path / "tuned")
    tokenizer = json.loads((canary / "tokenizer.json").read_text("utf-8"))
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "content": "x", "id": 999})
    (canary / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    models = ServedModels(build_generator(tiny_bigcode()), build_generator(canary), 0.5)

    with pytest.raises(LoadError, match=r"^STARCHAT_CANARY cannot be used: its tokenizer is not"):
        await models.wait_for_models()


async def test_error_names_the_setting_of_its_model(tmp_path: Path) -> None:
    """The operator sees which of the two is wrong."""
    models = ServedModels(build_generator(tiny_bigcode()), build_generator(tmp_path), 0.5)

    with pytest.raises(LoadError, match=r"^STARCHAT_CANARY cannot be used: "):
        await models.wait_for_models()
