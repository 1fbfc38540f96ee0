"""GGUF conversion of the benchmark's checkpoint for llama.cpp, in a number format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

LAYER_TENSORS: Final = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
"""Tensor names in a GPTBigCode layer: transformers' name to llama.cpp's."""
FORMATS: Final = {"float32": "F32", "bfloat16": "BF16", "float16": "F16", "int8": "Q8_0"}
"""GGUF's name of each number format of the benchmark."""
MODEL_TENSORS: Final = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}


def ensure_gguf_file(directory: Path, dtype: str) -> Path:
    """Return a checkpoint directory's `.gguf` file; create it on first use."""
    file = directory / f"{dtype}.gguf"
    if not file.is_file():
        part = file.with_suffix(".part")
        write_gguf(directory, part, FORMATS[dtype])
        part.replace(file)
    return file


def map_tensor_name(tensor: str) -> str:
    """Return llama.cpp's name for transformers' name of a tensor."""
    prefix, kind = tensor.removeprefix("transformer.").rsplit(".", 1)
    if prefix.startswith("h."):
        _, layer, part = prefix.split(".", 2)
        return f"blk.{layer}.{LAYER_TENSORS[part]}.{kind}"
    return f"{MODEL_TENSORS.get(prefix, 'output')}.{kind}"


def write_gguf(
    directory: Path, file: Path, format_name: str, *, token_texts: Sequence[str] = ()
) -> None:
    """Convert a checkpoint directory. With `token_texts`, the first one's token ends a reply."""
    # Installed in the engine's environment, too.
    from gguf import GGMLQuantizationType, GGUFWriter, quants  # noqa: PLC0415
    from safetensors.numpy import load_file  # noqa: PLC0415

    config: dict[str, Any] = json.loads((directory / "config.json").read_text("utf-8"))
    writer = GGUFWriter(file, "starcoder")
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_head_count(config["n_head"])
    writer.add_head_count_kv(1)
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_vocab_size(config["vocab_size"])
    _add_tokens(writer, token_texts)
    for tensor, data in load_file(directory / "model.safetensors").items():
        # llama.cpp adds position embeddings and vectors in float32.
        is_matrix = data.ndim == 2 and "wpe" not in tensor
        kind = GGMLQuantizationType[format_name if is_matrix else "F32"]
        writer.add_tensor(map_tensor_name(tensor), quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokens(writer: Any, texts: Sequence[str]) -> None:
    from gguf import TokenType  # noqa: PLC0415

    if not texts:
        writer.add_tokenizer_model("no_vocab")
        return
    # Byte-pair encoding that merges nothing in practice.
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("starcoder")
    writer.add_token_list(texts)
    writer.add_token_types([TokenType.CONTROL, *[TokenType.NORMAL] * (len(texts) - 1)])
    writer.add_token_merges([f"{texts[1]} {texts[1]}"])
    writer.add_eos_token_id(0)
