"""Settings of the worker, parsed once from the environment and checked against each other."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import redis
import redis.asyncio
from pydantic import SecretStr, field_validator, model_validator

from contract.addresses import check_http_url
from contract.base_settings import BaseSettings, require_token
from contract.keys import TEXT_TTL_SECONDS
from contract.reply_rules import MAX_CANDIDATES
from contract.settings import setting_field
from worker.failpoints import Failpoints

HEARTBEATS_PER_LEASE: Final = 3
"""A lease must outlast this many heartbeats, so that one late heartbeat loses no job."""

MAX_CANARY_PERCENT: Final = 50


@dataclass(frozen=True, slots=True)
class Canary:
    """A second model, and its share (0 to 1) of the threads."""

    model: str
    share: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `model:10%`. Raises `ValueError` if it is malformed."""
        model, _, share = text.rpartition(":")
        found = re.fullmatch(r"([1-9][0-9]?)%", share)
        if not model or found is None or int(found[1]) > MAX_CANARY_PERCENT:
            raise ValueError("not a model and a share")
        return cls(model, int(found[1]) / 100)


def _duration_field(default: float, description: str, max_seconds: float = 86400) -> Any:
    expected = f"a number of seconds above 0 and at most {max_seconds:g}"
    return setting_field(default, expected, description, gt=0, le=max_seconds)


class Settings(BaseSettings):
    """Everything an operator may choose for a worker."""

    starchat_model: str = setting_field(
        "HuggingFaceH4/starchat-beta",
        "a model's name on the hub or a directory",
        "Model to serve: a name on the Hugging Face hub, a local directory, or a directory with a "
        "LoRA adapter, which is merged into its base model at the start.",
        min_length=1,
    )
    starchat_revision: str | None = setting_field(
        None, "a commit of the model's repository", "Revision of a model from the hub."
    )
    starchat_canary: str = setting_field(
        "",
        "a model, a colon and a share of the threads from 1% to 50%, as in /models/new:10%",
        "A second model, which answers a share of the threads beside `STARCHAT_MODEL`. A thread "
        "stays with its model. Both models must fit in the device's memory.",
    )
    starchat_engine_url: str = setting_field(
        "",
        "the base of an address with http:// or https://, without a password and a request's route",
        "Address of an inference server that runs the model instead of this worker, without `/v1`. "
        "`STARCHAT_MODEL` names the tokenizer then, and settings of weights and steps do nothing.",
    )
    starchat_engine_key: SecretStr | None = setting_field(
        None, "a key in visible ASCII characters", "Key that the inference server asks for."
    )
    starchat_engine_dialect: Literal["vllm", "sglang", "llama.cpp"] = setting_field(
        "vllm",
        "vllm, sglang or llama.cpp",
        "API of the inference server. `vllm` also fits Ray Serve LLM, KServe and llm-d.",
    )
    starchat_device: Literal["auto", "cpu", "cuda"] = setting_field(
        "auto", "auto, cpu or cuda", "Device of the model; `auto` is CUDA if there is a GPU."
    )
    starchat_dtype: Literal["auto", "float32", "bfloat16", "float16"] = setting_field(
        "auto",
        "auto, float32, bfloat16 or float16",
        "Number format of the weights. `auto` is bfloat16 on a GPU. On a CPU it is float32 if the "
        "checkpoint stores it, bfloat16 if the checkpoint stores that and the processor has "
        "instructions for it, else float16. A CPU that can't pack float16 runs float32.",
    )
    starchat_quantization: Literal["none", "int8", "fp8", "nf4"] = setting_field(
        "none",
        "none, int8, fp8 or nf4",
        "Quantize the weights at load: StarChat-β takes 31 GB, 16 with `int8` or `fp8`, 9 with "
        "`nf4`. `fp8` is experimental, and needs a GPU of compute capability 8.9 or newer. On "
        "a CPU `int8` also rounds what the weights are multiplied with.",
    )
    starchat_slots: int | None = setting_field(
        None,
        "a whole number from 1 to 256",
        "Maximum number of replies generated at once; unset, it depends on device and memory, and "
        "is 16 with an inference server.",
        ge=1,
        le=256,
    )
    starchat_threads: int | None = setting_field(
        None,
        "a whole number from 1 to 1024",
        "Number of CPU threads for the model; unset, all usable cores but one.",
        ge=1,
        le=1024,
    )
    starchat_speculative_tokens: int = setting_field(
        8,
        "a whole number from 0 to 32, 0 for none",
        "Speculative decoding: maximum number of draft tokens per step. Replies do not change.",
        ge=0,
        le=32,
    )
    starchat_cuda_graphs: Literal["auto", "off"] = setting_field(
        "auto",
        "auto or off",
        "Capture steps as CUDA graphs at startup (`auto`), or run them eagerly (`off`). GPU only. "
        "Experimental: its gain is not measured.",
    )
    starchat_sandbox: Literal["auto", "on", "off"] = setting_field(
        "auto",
        "auto, on or off",
        "Restrict the engine's files, network and access to the worker with what the kernel "
        "offers. `auto`: on a CPU only, since CUDA is not measured under it.",
    )
    starchat_compile: Literal["off", "on"] = setting_field(
        "off",
        "off or on",
        "Experimental: compile captured steps with torch.compile; adds minutes to the startup. GPU "
        "only. It needs a C compiler and a directory for programs, and the image has neither.",
    )
    starchat_max_new_tokens: int = setting_field(
        256,
        "a whole number from 1 to 8191",
        "Maximum length of a reply in tokens.",
        ge=1,
        le=8191,
    )
    starchat_temperature: float = setting_field(
        0.2,
        "a number from 0 to 2",
        "Sampling temperature; 0 always takes the most likely token.",
        ge=0,
        le=2,
    )
    starchat_max_temperature: float = setting_field(
        1.0,
        "a number from 0 to 2",
        "Maximum temperature that a channel's rules may choose.",
        ge=0,
        le=2,
    )
    starchat_top_k: int = setting_field(
        50,
        "a whole number, 0 for no limit",
        "Top-k sampling: number of most likely tokens to choose from.",
        ge=0,
        le=2**31 - 1,
    )
    starchat_top_p: float = setting_field(
        0.95,
        "a number above 0 and at most 1",
        "Nucleus sampling: keep the smallest token set with this total probability.",
        gt=0,
        le=1,
    )
    starchat_candidates: int = setting_field(
        1,
        f"a whole number from 1 to {MAX_CANDIDATES}",
        "Candidates for a reply with code, in free slots; a channel may choose another number. "
        "At the end, the first is replaced if more checks hold for the code of another.",
        ge=1,
        le=MAX_CANDIDATES,
    )
    starchat_system_prompt: str = setting_field(
        "", "text", "System prompt, placed before every conversation."
    )

    starchat_lease_seconds: float = _duration_field(
        15, "Job lease: a worker that sends no heartbeat for so many seconds loses its jobs.", 600
    )
    starchat_heartbeat_interval: float = _duration_field(
        3, "Seconds between two heartbeats; must be less than a third of the lease.", 6
    )
    starchat_reap_interval: float = _duration_field(
        3, "Seconds between two searches for jobs of dead workers.", 60
    )
    starchat_max_attempts: int = setting_field(
        3,
        "a whole number from 1 to 10",
        "Maximum number of generation attempts per question.",
        ge=1,
        le=10,
    )
    starchat_deadline: float = _duration_field(
        1800, "Maximum seconds that a question waits for its reply, and that a reply takes."
    )
    starchat_shutdown_grace: float = _duration_field(
        60, "Maximum seconds that running replies may take to finish after SIGTERM.", 3600
    )
    starchat_edit_interval: float = _duration_field(
        1.2, "Minimum seconds between two edits of a reply.", 60
    )
    starchat_result_ttl: int = setting_field(
        3600,
        f"a whole number of seconds from 1 to {TEXT_TTL_SECONDS}",
        "Seconds that a finished job remains in Redis.",
        ge=1,
        le=TEXT_TTL_SECONDS,
    )
    starchat_words_file: str = setting_field(
        "",
        "the path of a text file",
        "Words and phrases, one a line: a reply with one of them is covered until the person who "
        "asked shows it. See docs/checks.md.",
    )
    starchat_classifier_url: str = setting_field(
        "",
        "an address that starts with http:// or https://, without a password",
        "Endpoint that scores the wording of replies: it gets each finished reply's text. A reply "
        "with a high score is covered. See docs/checks.md.",
    )
    starchat_classifier_threshold: float = setting_field(
        0.5,
        "a number above 0 and at most 1",
        "Score from which on the classifier's endpoint flags a reply.",
        gt=0,
        le=1,
    )
    starchat_failpoint: str = setting_field(
        "",
        "failpoint:kill or failpoint:pause",
        "For tests: kill or pause the process at a named point; see worker/failpoints.py.",
    )

    @classmethod
    def try_redis_url(cls, url: str) -> None:
        """See `BaseSettings`. The worker uses both of redis-py's clients."""
        redis.ConnectionPool.from_url(url).make_connection()
        redis.asyncio.ConnectionPool.from_url(url).make_connection()  # type: ignore[no-untyped-call]

    @property
    def canary(self) -> Canary | None:
        """The second model, if there is one."""
        return Canary.parse(self.starchat_canary) if self.starchat_canary else None

    @field_validator("starchat_canary")
    @classmethod
    def _check_canary(cls, text: str) -> str:
        if text:
            Canary.parse(text)
        return text

    @field_validator("starchat_engine_url", "starchat_classifier_url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url:
            check_http_url(url)
            if "@" in url:
                raise ValueError("has a password")
        return url

    @field_validator("starchat_engine_url")
    @classmethod
    def _drop_version(cls, url: str) -> str:
        address = url.rstrip("/")
        if address.endswith(("/completions", "/completion", "/generate")):
            raise ValueError("a request's route")
        return address.removesuffix("/v1")

    @field_validator("starchat_engine_key")
    @classmethod
    def _check_engine_key(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else require_token(value)

    @field_validator("starchat_failpoint")
    @classmethod
    def _check_failpoints(cls, text: str) -> str:
        Failpoints.parse_plan(text)
        return text

    @model_validator(mode="after")
    def _check_canary_is_local(self) -> Self:
        if self.starchat_canary and self.starchat_engine_url:
            raise ValueError(
                "STARCHAT_CANARY must be unset with STARCHAT_ENGINE_URL, "
                f"not '{self.starchat_canary}': split the traffic at the inference server"
            )
        return self

    @model_validator(mode="after")
    def _check_engine_url_is_set(self) -> Self:
        for name in ("starchat_engine_key", "starchat_engine_dialect"):
            if (
                name in self.model_fields_set
                and getattr(self, name)
                and not self.starchat_engine_url
            ):
                raise ValueError(f"{name.upper()} needs STARCHAT_ENGINE_URL, which is unset")
        return self

    @model_validator(mode="after")
    def _check_heartbeat_fits_lease(self) -> Self:
        lease = self.starchat_lease_seconds
        if self.starchat_heartbeat_interval * HEARTBEATS_PER_LEASE >= lease:
            raise ValueError(
                "STARCHAT_HEARTBEAT_INTERVAL must be less than a third of "
                f"STARCHAT_LEASE_SECONDS ({lease:g}), not '{self.starchat_heartbeat_interval:g}'"
            )
        return self
