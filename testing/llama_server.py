"""A real llama.cpp server on the CPU, which `make llama` compiles once."""

from pathlib import Path
from typing import Final

from testing.inference_process import CONTEXT_TOKENS, SLOTS, InferenceProcess

ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1"}


class LlamaServer(InferenceProcess):
    """`llama-server` over a `.gguf` file, with a KV cache in float32."""

    product = "llama.cpp"

    def __init__(self, program: Path, model: Path, log: Path) -> None:
        """Each of the slots has the whole window."""
        command = [str(program), "--model", str(model), "--alias", "served", "--offline"]
        command += ["--ctx-size", str(SLOTS * CONTEXT_TOKENS), "--parallel", str(SLOTS)]
        command += ["--no-kv-unified", "--flash-attn", "off", "--metrics"]
        command += ["--cache-type-k", "f32", "--cache-type-v", "f32"]
        command += ["--threads", "1", "--threads-batch", "1"]
        super().__init__(command, log, ENVIRONMENT)
