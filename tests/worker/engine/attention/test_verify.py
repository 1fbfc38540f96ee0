"""Model verification: a wrong attention is refused in each number format."""

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from testing.checkpoints import tiny_bigcode
from worker.engine import LoadError
from worker.engine.attention.sdpa import SDPA
from worker.engine.attention.verify import verify_model
from worker.engine.loading.cpu_linear import has_fbgemm, pack_layers

requires_fbgemm = pytest.mark.skipif(not has_fbgemm(), reason="needs FBGEMM")


@pytest.mark.parametrize(
    "dtype", [torch.float32, pytest.param(torch.float16, marks=requires_fbgemm)]
)
def test_scaled_scores_are_refused(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """Packed float16 weights are computed in float32, which rounds less."""
    network = AutoModelForCausalLM.from_pretrained(
        tiny_bigcode(), dtype=dtype, attn_implementation="eager"
    )
    assert pack_layers(network)
    assert verify_model(network)[0].dtype == torch.float32
    network.set_attn_implementation("eager")
    attend = SDPA.attend_causal

    def attend_scaled(self: SDPA, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return attend(self, query * 0.9, key, value)

    monkeypatch.setattr(SDPA, "attend_causal", attend_scaled)
    with pytest.raises(LoadError, match="has an attention that the engine does not support"):
        verify_model(network)


@requires_fbgemm
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_rounded_rows_have_the_tolerance_of_16_bits() -> None:
    """Through 40 layers, rows that are rounded another way add up to more than in float32."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=448,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=40,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.1,
    )
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").half().eval()
    assert pack_layers(network, int8=True)

    assert len(verify_model(network, rounds_rows=True)) == 40
