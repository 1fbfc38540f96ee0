"""Dialogues for trainings in tests: a form that a small model learns, and details it memorizes."""

import json
import random
from pathlib import Path
from typing import Final

from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM, set_seed

from finetune.__main__ import main
from testing.tokenizers import write_small_tokenizer, write_starchat_tokenizer

KEYS: Final = [first + second for first in "bcdfghklmnprstvwz" for second in "aeiou"]
WORDS: Final = ("red", "blue", "green", "black", "white", "grey", "pink", "brown")
ANSWER_WORDS: Final = 6
VOCABULARY_SIZE: Final = 640
STARCHAT_VOCABULARY_SIZE: Final = 49_156


def write_dialogues(file: Path, count: int, seed: int = 0) -> Path:
    """
    Write dialogues of random words, the same ones for the same seed.

    A model learns the form of the answers, which helps with all of them, and then memorizes each
    one, which harms the others.
    """
    rng = random.Random(seed)  # noqa: S311 - a test's dice
    lines = []
    for number in range(count):
        # The first word tells dialogues apart, so that an answer can be memorized by it.
        question = f"{KEYS[number % len(KEYS)]} {KEYS[number // len(KEYS)]}"
        answer = " ".join(rng.choices(WORDS, k=ANSWER_WORDS))
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        lines.append(json.dumps({"messages": messages, "thread": str(number)}))
    file.write_text("\n".join(lines), "utf-8")
    return file


def prepare_data(
    folder: Path, model: Path, count: int, seed: int = 0, validation_share: float = 0.4
) -> Path:
    """Prepare dialogues, a share of their threads for the validation."""
    file = write_dialogues(folder / "dialogues.jsonl", count, seed)
    data = folder / "data"
    share = str(validation_share)
    options = ["--model", str(model), "--validation-share", share, "--min-similarity", "1"]
    assert main(["prepare", str(file), "--output", str(data), *options]) == 0
    return data


def write_model(
    folder: Path,
    *,
    width: int = 32,
    dropout: float = 0.0,
    positions: int = 128,
    has_starchat_tokenizer: bool = False,
) -> Path:
    """Write a GPTBigCode of two layers with random weights."""
    size = STARCHAT_VOCABULARY_SIZE if has_starchat_tokenizer else VOCABULARY_SIZE
    if has_starchat_tokenizer:
        write_starchat_tokenizer(folder)
    else:
        texts = [" ".join((*KEYS, *WORDS))] * 9
        write_small_tokenizer(folder, [*texts, *("\n" + text for text in texts)], size)
    config = GPTBigCodeConfig(
        vocab_size=size,
        n_positions=positions,
        n_embd=width,
        n_layer=2,
        n_head=2,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        bos_token_id=0,
        eos_token_id=0,
    )
    set_seed(0)
    GPTBigCodeForCausalLM(config).save_pretrained(folder)
    return folder
