"""Tokenizer files for tests: StarChat's tokenizer, or a small one with its control tokens."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

REAL_TOKENIZER_DIRECTORY: Final = Path(__file__).parents[2] / "shared" / "starchat-tokenizer"
"""StarChat's tokenizer, if it is present beside the repository."""

ENDOFTEXT: Final = "<|endoftext|>"

ROLE_TOKENS: Final = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
"""StarChat's chat tokens, the last ids of its vocabulary."""

CODE_TOKENS: Final = (
    ENDOFTEXT,
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
    "<fim_pad>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<empty_output>",
    "<commit_before>",
    "<commit_msg>",
    "<commit_after>",
    "<reponame>",
)
"""StarCoder's control tokens, ids 0 to 18."""

SMALL_VOCABULARY: Final = 448
"""Vocabulary size of the small tokenizer, chat tokens included."""

_TEXT: Final = (
    "The quick brown fox asks: how do I reverse a list, a string or a dictionary in Python?",
    "def reverse(items):\n    return items[::-1]\n\n\nfor index in range(10):\n    print(index)\n",
    "SELECT name, count(*) FROM people WHERE name = 'Ada' GROUP BY name ORDER BY count(*) DESC;",
    "Here is the function that you asked for. It returns a new list and leaves the old one as is.",
    "```python\nimport os\n\nwith open(path) as file:\n    text = file.read()\n```\n",
    'fn main() {\n    let answer = 42;\n    println!("{}", answer);\n}\n',
)


def has_real_tokenizer() -> bool:
    """Return whether StarChat's tokenizer is present."""
    return (REAL_TOKENIZER_DIRECTORY / "tokenizer.json").is_file()


def reference_vectors() -> list[tuple[str, list[int]]]:
    """Return the reference texts with their ids in StarChat's tokenizer, none if it is absent."""
    if not has_real_tokenizer():
        return []
    found: list[dict[str, Any]] = json.loads(
        (REAL_TOKENIZER_DIRECTORY / "vectors.json").read_text("utf-8")
    )
    return [(vector["text"], vector["ids"]) for vector in found]


def write_starchat_tokenizer(directory: Path) -> Path:
    """Write StarChat's tokenizer to `directory`, the small one if it is absent."""
    if not has_real_tokenizer():
        return write_small_tokenizer(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(REAL_TOKENIZER_DIRECTORY / name, directory / name)
    return directory


def write_small_tokenizer(
    directory: Path, extra_texts: Sequence[str] = (), size: int = SMALL_VOCABULARY
) -> Path:
    """
    Write a tokenizer of `size` ids with StarChat's control tokens to `directory`.

    It is trained on `extra_texts` too, which it then encodes in few ids.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(ROLE_TOKENS),
        special_tokens=list(CODE_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((*_TEXT, *extra_texts), trainer)
    tokenizer.add_special_tokens(list(ROLE_TOKENS))
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(
        json.dumps(_tokenizer_config(), indent=1), "utf-8"
    )
    return directory


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "GPT2TokenizerFast",
        "model_max_length": 8192,
        "bos_token": ENDOFTEXT,
        "eos_token": ENDOFTEXT,
        "unk_token": ENDOFTEXT,
        "additional_special_tokens": list(ROLE_TOKENS),
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
    }
