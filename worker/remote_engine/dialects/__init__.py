"""Dialects of inference servers, by the name that `STARCHAT_ENGINE_DIALECT` has for them."""

from typing import Final

from worker.remote_engine.dialects.base import Dialect
from worker.remote_engine.dialects.llama_cpp import LlamaCppDialect
from worker.remote_engine.dialects.sglang import SglangDialect
from worker.remote_engine.dialects.vllm import VllmDialect

DIALECTS: Final[dict[str, Dialect]] = {
    "vllm": VllmDialect(),
    "sglang": SglangDialect(),
    "llama.cpp": LlamaCppDialect(),
}
