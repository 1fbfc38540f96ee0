"""Recipe of StarChat's model card: its numbers, and how devices share a batch. Pure."""

from typing import Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from finetune.errors import FinetuneError

Method = Literal["full", "lora", "qlora"]
EVALUATIONS_PER_EPOCH: Final = 2


class Recipe(BaseModel):
    """Options of a training. The defaults are the model card's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Method = "full"
    learning_rate: PositiveFloat = 2e-5
    epochs: PositiveInt = 6
    total_batch: PositiveInt = 256
    device_batch: PositiveInt = 4
    warmup_share: float = 0.03
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    seed: NonNegativeInt = 42
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    early_stop: NonNegativeInt = 0
    """Evaluations without a lower validation loss after which the training ends; 0 for never."""
    lora_rank: PositiveInt = 16
    lora_alpha: PositiveInt = 32
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)


class BatchPlan(NamedTuple):
    """Dialogues of a device at once, and batches of each device that make one step."""

    device_batch: int
    accumulation: int
    processes: int

    @classmethod
    def from_recipe(cls, recipe: Recipe, processes: int) -> Self:
        """Keep the total batch on any number of devices. Raises `FinetuneError`."""
        for size in range(recipe.device_batch, 0, -1):
            accumulation, rest = divmod(recipe.total_batch, size * processes)
            if accumulation and not rest:
                return cls(size, accumulation, processes)
        raise FinetuneError(
            f"a batch of {recipe.total_batch} cannot be shared by {processes} devices: "
            "choose another number of devices, or --total-batch"
        )

    @property
    def total(self) -> int:
        """Dialogues of a step."""
        return self.device_batch * self.accumulation * self.processes

    def describe_batch(self) -> str:
        """Return a sentence for the log."""
        evaluated = self.device_batch * self.processes
        return (
            f"{self.device_batch} a device × {self.processes} devices × accumulation "
            f"{self.accumulation} = {self.total} dialogues a step; {evaluated} in evaluation"
        )

    def count_steps(self, dialogues: int) -> int:
        """Return the steps of an epoch; the last one may be smaller."""
        batches = -(-dialogues // (self.device_batch * self.processes))
        return -(-batches // self.accumulation)


def list_evaluation_steps(steps_per_epoch: int, epochs: int) -> list[int]:
    """Return the steps after which half an epoch ends."""
    halves = EVALUATIONS_PER_EPOCH * epochs
    return [-(-half * steps_per_epoch // EVALUATIONS_PER_EPOCH) for half in range(1, halves + 1)]
