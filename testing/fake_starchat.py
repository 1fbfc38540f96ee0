"""StarChat at full width on a fake GPU, and steps for it."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPTBigCodeConfig
from transformers.initialization import no_init_weights

from testing.checkpoints import STARCHAT_CONFIG
from worker.engine import ModelInfo, Request, SamplingParams
from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.verify import verify_model
from worker.engine.core.request_state import RequestState, ScheduledRequest
from worker.engine.loading.loader import LoadedModel
from worker.engine.loading.memory import DEFAULT_STEP_TOKENS

WIDTH = 6144
"""StarChat's hidden size."""
MAX_POSITIONS = STARCHAT_CONFIG["n_positions"]
VOCABULARY_SIZE = STARCHAT_CONFIG["vocab_size"]


def load_fake_starchat(num_layers: int = 1, num_slots: int = 64) -> LoadedModel:
    """Return StarChat with few layers in bfloat16; call it within `FakeCuda`."""
    config = GPTBigCodeConfig(**STARCHAT_CONFIG, n_embd=WIDTH, n_layer=num_layers)
    with torch.device("cuda"), no_init_weights():
        network = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    return LoadedModel(
        network,
        KVCache(verify_model(network), num_slots, MAX_POSITIONS),
        ModelInfo(
            name="starchat",
            revision=None,
            directory=Path(),
            max_positions=MAX_POSITIONS,
            vocab_size=VOCABULARY_SIZE,
            eos_ids=(0,),
            device="cuda",
            dtype="bfloat16",
            slots=num_slots,
        ),
        DEFAULT_STEP_TOKENS["cuda"],
        host_cache_bytes=0,
    )


def make_decode(slot: int, position: int, num_drafts: int = 0) -> ScheduledRequest:
    """Return a decode of the token at `position`, with drafts behind it."""
    return ScheduledRequest(_make_state(slot, position + 1), position, 1, (0,) * num_drafts)


def make_chunk(slot: int, start: int, num_tokens: int) -> ScheduledRequest:
    """Return a prefill chunk that isn't the last one of its prompt."""
    return ScheduledRequest(_make_state(slot, start + num_tokens + 1), start, num_tokens)


def _make_state(slot: int, num_tokens: int) -> RequestState:
    request = Request(str(slot), (0,) * num_tokens, SamplingParams())
    return RequestState(request, list(request.prompt), arrival=slot, slot=slot)
