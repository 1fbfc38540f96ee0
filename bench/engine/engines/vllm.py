"""Adapter of vLLM's CPU build, in a separate environment; see `bench.engine.environment`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engine.load_generator import BenchmarkEngine
from bench.engine.workload import RequestSpec

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}
"""Runs steps in this process and on one thread, with a KV cache of 1 GiB."""


class VllmEngine(BenchmarkEngine):
    """vLLM with its default optimizations, compilation included."""

    streams_tokens = True

    def __init__(self, directory: Path, slots: int, dtype: str) -> None:
        os.environ.update(ENVIRONMENT)
        from vllm import EngineArgs, LLMEngine, SamplingParams  # noqa: PLC0415
        from vllm.sampling_params import RequestOutputKind  # noqa: PLC0415

        self._sampling_params: Any = SamplingParams
        self._delta_output = RequestOutputKind.DELTA
        self._engine = LLMEngine.from_engine_args(
            EngineArgs(
                model=str(directory),
                dtype=dtype,
                skip_tokenizer_init=True,
                max_model_len=1024,
                max_num_seqs=max(slots, 1),
                enable_prefix_caching=False,
                enforce_eager=False,
                seed=0,
            )
        )

    @property
    def has_work(self) -> bool:
        """Whether any request is unfinished."""
        return bool(self._engine.has_unfinished_requests())

    def add_request(self, request: RequestSpec) -> None:
        """Queue a request."""
        sampling = self._sampling_params(
            temperature=0,
            max_tokens=request.max_new_tokens,
            ignore_eos=True,
            detokenize=False,
            output_kind=self._delta_output,
        )
        self._engine.add_request(
            request.request_id, {"prompt_token_ids": list(request.prompt_ids)}, sampling
        )

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Run one forward pass."""
        return [
            (output.request_id, token)
            for output in self._engine.step()
            for token in output.outputs[0].token_ids
        ]


def load_vllm(directory: Path, slots: int, dtype: str) -> BenchmarkEngine:
    """Load a checkpoint into vLLM."""
    return VllmEngine(directory, slots, dtype)
