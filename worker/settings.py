"""The worker's settings: read once, checked against each other, never read anywhere else."""

from typing import Any, Final, Literal, Self

from pydantic import field_validator, model_validator

from contract.base_settings import Shared
from contract.keys import TEXT_TTL
from contract.settings import setting
from worker.failpoints import Faults

BEATS_PER_LEASE: Final = 3
"""A lease outlives this many heartbeats, so that one that is late or lost harms nobody."""


def _seconds(default: float, description: str, most: float = 86400) -> Any:
    expected = f"a number of seconds above 0 and at most {most:g}"
    return setting(default, expected, description, gt=0, le=most)


class Settings(Shared):
    """Everything that an operator may choose for a worker."""

    starchat_model: str = setting(
        "HuggingFaceH4/starchat-beta",
        "a model's name on the hub or a directory",
        "Model that answers: a name on the hub or a directory.",
        min_length=1,
    )
    starchat_revision: str | None = setting(
        None, "a commit of the model's repository", "Revision of a model from the hub."
    )
    starchat_device: Literal["auto", "cpu", "cuda"] = setting(
        "auto", "auto, cpu or cuda", "Where the model runs."
    )
    starchat_dtype: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "auto, float32, bfloat16 or float16", "Number format of the weights."
    )
    starchat_quantization: Literal["none", "int8", "nf4"] = setting(
        "none", "none, int8 or nf4", "Smaller weights for smaller cards; int8 fits 24 GB."
    )
    starchat_slots: int | None = setting(
        None,
        "a whole number from 1 to 256",
        "Replies generated at once; unset, what suits the device.",
        ge=1,
        le=256,
    )
    starchat_threads: int | None = setting(
        None,
        "a whole number from 1 to 1024",
        "CPU threads of the model; unset, as many as there are cores.",
        ge=1,
        le=1024,
    )
    starchat_speculation: int = setting(
        8,
        "a whole number from 0 to 32, 0 for none",
        "Tokens guessed ahead at most, from the thread's own words; no reply changes by it.",
        ge=0,
        le=32,
    )
    starchat_cuda_graphs: Literal["auto", "off"] = setting(
        "auto",
        "auto or off",
        "On a GPU, whether growing replies are steps recorded at the start.",
    )
    starchat_compile: Literal["off", "on"] = setting(
        "off",
        "off or on",
        "On a GPU, whether recorded steps are compiled by torch, which takes minutes at the start.",
    )
    starchat_max_new_tokens: int = setting(
        256, "a whole number from 1 to 8191", "Longest reply in tokens.", ge=1, le=8191
    )
    starchat_temperature: float = setting(
        0.2, "a number from 0 to 2", "Randomness of the reply; 0 takes the likeliest.", ge=0, le=2
    )
    starchat_top_k: int = setting(
        50, "a whole number, 0 for no limit", "Likeliest tokens to choose among.", ge=0
    )
    starchat_top_p: float = setting(
        0.95, "a number above 0 and at most 1", "Share of likelihood to choose among.", gt=0, le=1
    )
    starchat_system_prompt: str = setting(
        "", "text", "What the model is told before every conversation."
    )

    starchat_lease: float = _seconds(15, "How long a silent worker keeps its jobs.", 600)
    starchat_beat: float = _seconds(
        3, "How often a worker renews what it holds, and is heard of.", 6
    )
    starchat_reap: float = _seconds(3, "How often jobs of dead workers are looked for.", 60)
    starchat_attempts: int = setting(
        3, "a whole number from 1 to 10", "Generations that may fail for one question.", ge=1, le=10
    )
    starchat_deadline: float = _seconds(
        1800, "How long a question may wait for its reply, and how long its reply may take."
    )
    starchat_grace: float = _seconds(60, "How long running replies may finish after SIGTERM.", 3600)
    starchat_edit_pace: float = _seconds(1.2, "Least time between two edits of a reply.", 60)
    starchat_result_ttl: int = setting(
        3600,
        f"a whole number of seconds from 1 to {TEXT_TTL}",
        "How long a finished job stays visible in Redis.",
        ge=1,
        le=TEXT_TTL,
    )
    starchat_fault: str = setting(
        "",
        "point:kill or point:pause",
        "For tests: dies at a named point, see worker/failpoints.py.",
    )

    @field_validator("starchat_fault")
    @classmethod
    def _faults_can_be_read(cls, text: str) -> str:
        Faults.read(text)
        return text

    @model_validator(mode="after")
    def _agree_with_each_other(self) -> Self:
        if self.starchat_beat * BEATS_PER_LEASE >= self.starchat_lease:
            raise ValueError(
                f"STARCHAT_BEAT must be less than a third of STARCHAT_LEASE "
                f"({self.starchat_lease:g}), not '{self.starchat_beat:g}'"
            )
        return self
