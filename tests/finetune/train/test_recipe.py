"""The recipe: the card's numbers, shared batches, evaluations, and checks of data."""

from datetime import date
from typing import Any, Final

import pytest

from finetune.dialogue_files import DialogueRecord, Manifest, Provenance
from finetune.errors import FinetuneError
from finetune.train.checks import check_amount, check_data, check_vocabulary
from finetune.train.recipe import BatchPlan, Recipe, list_evaluation_steps

TODAY: Final = date(2026, 11, 30)


def _record(thread: str, *ids: int) -> DialogueRecord:
    return DialogueRecord(
        thread=thread,
        messages=(),
        ids=ids or (1, 2),
        learned=((0, 1),),
        provenance=Provenance(kind="text"),
    )


def _manifest(**changes: Any) -> Manifest:
    values = {"tokenizer_sha256": "", "max_tokens": 9, "dialogues": {}, "delete_after": None}
    return Manifest.model_validate(values | changes)


def test_defaults_are_the_model_cards() -> None:
    """Eight devices give the card's batches without an option."""
    recipe = Recipe()
    plan = BatchPlan.from_recipe(recipe, 8)

    assert (recipe.learning_rate, recipe.epochs, recipe.warmup_share) == (2e-5, 6, 0.03)
    assert (recipe.adam_beta1, recipe.adam_beta2, recipe.adam_epsilon) == (0.9, 0.999, 1e-8)
    assert (recipe.seed, recipe.dtype, recipe.method) == (42, "bfloat16", "full")
    assert plan == (4, 8, 8)
    assert plan.describe_batch() == (
        "4 a device × 8 devices × accumulation 8 = 256 dialogues a step; 32 in evaluation"
    )


@pytest.mark.parametrize("processes", [1, 2, 4, 16, 64, 128, 256])
def test_total_batch_is_kept_on_any_number_of_devices(processes: int) -> None:
    """Fewer devices accumulate more."""
    assert BatchPlan.from_recipe(Recipe(), processes).total == 256


@pytest.mark.parametrize("processes", [3, 512])
def test_devices_that_cannot_share_the_batch_are_refused(processes: int) -> None:
    """Another total batch would be another recipe."""
    with pytest.raises(FinetuneError, match=f"cannot be shared by {processes} devices"):
        BatchPlan.from_recipe(Recipe(), processes)


def test_each_half_epoch_ends_with_an_evaluation() -> None:
    """With an odd number of steps the halves differ by one, and epochs still end with one."""
    assert list_evaluation_steps(4, 2) == [2, 4, 6, 8]
    assert list_evaluation_steps(5, 2) == [3, 5, 8, 10]
    assert BatchPlan(4, 8, 8).count_steps(256 * 3 + 1) == 4


def test_usable_data_pass() -> None:
    """Nothing is raised."""
    check_data(_manifest(), [_record("a", 1, 2)], [_record("b", 3, 4)], TODAY)
    check_data(_manifest(delete_after=TODAY), [], [], TODAY)
    check_amount([_record("a")] * 64, [_record("b")] * 16, 32)
    check_vocabulary([_record("a", 1, 2)], 3, 2, "m")


def test_leak_between_splits_is_refused() -> None:
    """A thread, or the same dialogue, must not be in both."""
    with pytest.raises(FinetuneError, match="1 threads and 0 dialogues are in both"):
        check_data(_manifest(), [_record("a", 1, 2)], [_record("a", 3, 4)], TODAY)
    with pytest.raises(FinetuneError, match="0 threads and 1 dialogues are in both"):
        check_data(_manifest(), [_record("a", 1, 2)], [_record("b", 1, 2)], TODAY)


def test_data_after_their_retention_are_refused() -> None:
    """The day is the one that the data card names."""
    with pytest.raises(FinetuneError, match="had to be deleted after 2026-11-29"):
        check_data(_manifest(delete_after="2026-11-29"), [], [], TODAY)


def test_too_few_data_are_refused() -> None:
    """Two steps an epoch are needed, and a validation loss that means something."""
    with pytest.raises(FinetuneError, match="63 dialogues are too few for two steps of 32"):
        check_amount([_record("a")] * 63, [_record("b")] * 16, 32)
    with pytest.raises(FinetuneError, match="15 dialogues are too few for a validation loss"):
        check_amount([_record("a")] * 64, [_record("b")] * 15, 32)


def test_model_without_room_for_the_dialogues_is_refused() -> None:
    """It must know each id, and read the longest dialogue."""
    with pytest.raises(FinetuneError, match="no embeddings for the dialogue tokens"):
        check_vocabulary([_record("a", 1, 3)], 3, 9, "m")
    with pytest.raises(FinetuneError, match="m reads 2 tokens, and a dialogue has 3"):
        check_vocabulary([_record("a", 1, 1, 1)], 3, 2, "m")
