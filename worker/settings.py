"""The worker's settings: read once, checked against each other, never read anywhere else."""

from typing import Any, Final, Literal, Self

from pydantic import field_validator, model_validator

from contract.base_settings import BaseSettings
from contract.keys import TEXT_TTL_SECONDS
from contract.settings import setting_field
from worker.failpoints import Failpoints

HEARTBEATS_PER_LEASE: Final = 3
"""A lease outlives this many heartbeats, so that one that is late or lost harms nobody."""


def _duration_field(default: float, description: str, max_seconds: float = 86400) -> Any:
    expected = f"a number of seconds above 0 and at most {max_seconds:g}"
    return setting_field(default, expected, description, gt=0, le=max_seconds)


class Settings(BaseSettings):
    """Everything that an operator may choose for a worker."""

    starchat_model: str = setting_field(
        "HuggingFaceH4/starchat-beta",
        "a model's name on the hub or a directory",
        "Model that answers: a name on the hub or a directory.",
        min_length=1,
    )
    starchat_revision: str | None = setting_field(
        None, "a commit of the model's repository", "Revision of a model from the hub."
    )
    starchat_device: Literal["auto", "cpu", "cuda"] = setting_field(
        "auto", "auto, cpu or cuda", "Where the model runs."
    )
    starchat_dtype: Literal["auto", "float32", "bfloat16", "float16"] = setting_field(
        "auto", "auto, float32, bfloat16 or float16", "Number format of the weights."
    )
    starchat_quantization: Literal["none", "int8", "nf4"] = setting_field(
        "none", "none, int8 or nf4", "Smaller weights for smaller cards; int8 fits 24 GB."
    )
    starchat_slots: int | None = setting_field(
        None,
        "a whole number from 1 to 256",
        "Replies generated at once; unset, what suits the device.",
        ge=1,
        le=256,
    )
    starchat_threads: int | None = setting_field(
        None,
        "a whole number from 1 to 1024",
        "CPU threads of the model; unset, as many as there are cores.",
        ge=1,
        le=1024,
    )
    starchat_speculative_tokens: int = setting_field(
        8,
        "a whole number from 0 to 32, 0 for none",
        "Tokens guessed ahead at most, from the thread's own words; no reply changes by it.",
        ge=0,
        le=32,
    )
    starchat_cuda_graphs: Literal["auto", "off"] = setting_field(
        "auto",
        "auto or off",
        "On a GPU, whether growing replies are steps recorded at the start.",
    )
    starchat_compile: Literal["off", "on"] = setting_field(
        "off",
        "off or on",
        "On a GPU, whether recorded steps are compiled by torch, which takes minutes at the start.",
    )
    starchat_max_new_tokens: int = setting_field(
        256, "a whole number from 1 to 8191", "Longest reply in tokens.", ge=1, le=8191
    )
    starchat_temperature: float = setting_field(
        0.2, "a number from 0 to 2", "Randomness of the reply; 0 takes the likeliest.", ge=0, le=2
    )
    starchat_top_k: int = setting_field(
        50, "a whole number, 0 for no limit", "Likeliest tokens to choose among.", ge=0
    )
    starchat_top_p: float = setting_field(
        0.95, "a number above 0 and at most 1", "Share of likelihood to choose among.", gt=0, le=1
    )
    starchat_system_prompt: str = setting_field(
        "", "text", "What the model is told before every conversation."
    )

    starchat_lease_seconds: float = _duration_field(
        15, "How long a silent worker keeps its jobs.", 600
    )
    starchat_heartbeat_interval: float = _duration_field(
        3, "How often a worker renews what it holds, and is heard of.", 6
    )
    starchat_reap_interval: float = _duration_field(
        3, "How often jobs of dead workers are looked for.", 60
    )
    starchat_max_attempts: int = setting_field(
        3, "a whole number from 1 to 10", "Generations that may fail for one question.", ge=1, le=10
    )
    starchat_deadline: float = _duration_field(
        1800, "How long a question may wait for its reply, and how long its reply may take."
    )
    starchat_shutdown_grace: float = _duration_field(
        60, "How long running replies may finish after SIGTERM.", 3600
    )
    starchat_edit_interval: float = _duration_field(
        1.2, "Least time between two edits of a reply.", 60
    )
    starchat_result_ttl: int = setting_field(
        3600,
        f"a whole number of seconds from 1 to {TEXT_TTL_SECONDS}",
        "How long a finished job stays visible in Redis.",
        ge=1,
        le=TEXT_TTL_SECONDS,
    )
    starchat_failpoint: str = setting_field(
        "",
        "failpoint:kill or failpoint:pause",
        "For tests: dies at a named point, see worker/failpoints.py.",
    )

    @field_validator("starchat_failpoint")
    @classmethod
    def _check_failpoints(cls, text: str) -> str:
        Failpoints.parse_plan(text)
        return text

    @model_validator(mode="after")
    def _check_heartbeat_fits_lease(self) -> Self:
        if self.starchat_heartbeat_interval * HEARTBEATS_PER_LEASE >= self.starchat_lease_seconds:
            raise ValueError(
                f"STARCHAT_HEARTBEAT_INTERVAL must be less than a third of STARCHAT_LEASE_SECONDS "
                f"({self.starchat_lease_seconds:g}), not '{self.starchat_heartbeat_interval:g}'"
            )
        return self
