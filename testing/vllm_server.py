"""A real vLLM server on the CPU, from an environment that `make vllm` sets up once."""

from pathlib import Path
from typing import Final

from testing.inference_process import CONTEXT_TOKENS, SLOTS, InferenceProcess

ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}


class VllmServer(InferenceProcess):
    """`vllm serve` over a checkpoint, in float32."""

    product = "vLLM"

    def __init__(
        self, interpreter: Path, checkpoint: Path, log: Path, *, replicas: int = 1
    ) -> None:
        """`replicas` engines share its requests (data parallelism)."""
        command = [str(interpreter), "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", str(checkpoint), "--served-model-name", "served"]
        command += ["--dtype", "float32", "--generation-config", "vllm", "--enforce-eager"]
        command += ["--max-model-len", str(CONTEXT_TOKENS), "--max-num-seqs", str(SLOTS)]
        if replicas > 1:
            command += ["--data-parallel-size", str(replicas)]
        super().__init__(command, log, ENVIRONMENT)
