"""Tiny chat model in GGUF format, as other programs' converters write it."""

from pathlib import Path
from typing import Final

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants

WIDTH: Final = 64
HEADS: Final = 4
LAYERS: Final = 2
POSITIONS: Final = 128
TEMPLATE: Final = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"

CONTROL_TOKENS: Final = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LETTERS: Final = tuple("abcdefghijklmnopqrstuvwxyz .?")
MERGES: Final = ("a b", "c d", "e f", "ab cd")


def write_tiny_gguf(file: Path) -> Path:
    """Write a Llama with random 4-bit weights, a byte-pair tokenizer and a chat template."""
    writer = GGUFWriter(file, "llama")
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    vocabulary = _write_tokenizer(writer)
    _write_weights(writer, vocabulary)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _write_tokenizer(writer: GGUFWriter) -> int:
    words = [*CONTROL_TOKENS, *LETTERS, *(merge.replace(" ", "") for merge in MERGES)]
    kinds = [TokenType.CONTROL if word in CONTROL_TOKENS else TokenType.NORMAL for word in words]
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    return len(words)


def _write_weights(writer: GGUFWriter, vocabulary: int) -> None:
    rng = np.random.default_rng(0)

    def add_tensor(name: str, *shape: int) -> None:
        data = rng.normal(0, 0.3, shape).astype(np.float32)
        kind = GGMLQuantizationType.Q4_1
        writer.add_tensor(name, quants.quantize(data, kind), raw_dtype=kind)

    add_tensor("token_embd.weight", vocabulary, WIDTH)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{block}.{norm}.weight", np.ones(WIDTH, np.float32))
        for name, rows in (("q", WIDTH), ("k", WIDTH // 2), ("v", WIDTH // 2), ("output", WIDTH)):
            add_tensor(f"{block}.attn_{name}.weight", rows, WIDTH)
        for name in ("gate", "up"):
            add_tensor(f"{block}.ffn_{name}.weight", 2 * WIDTH, WIDTH)
        add_tensor(f"{block}.ffn_down.weight", WIDTH, 2 * WIDTH)
