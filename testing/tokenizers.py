"""Gives tests a checkpoint-like directory with StarChat's tokenizer or a small one like it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

REAL: Final = Path(__file__).parents[2] / "shared" / "starchat-tokenizer"
"""Where StarChat's real tokenizer lies, if it was laid beside the repository."""

ENDOFTEXT: Final = "<|endoftext|>"

ROLES: Final = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
"""StarChat's dialogue tokens, the last ids of its vocabulary."""

CODE: Final = (
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
"""Token ids of the small tokenizer, dialogue tokens included."""

_TEXT: Final = (
    "The quick brown fox asks: how do I reverse a list, a string or a dictionary in Python?",
    "def reverse(items):\n    return items[::-1]\n\n\nfor index in range(10):\n    print(index)\n",
    "SELECT name, count(*) FROM people WHERE name = 'Ada' GROUP BY name ORDER BY count(*) DESC;",
    "Here is the function that you asked for. It returns a new list and leaves the old one as is.",
    "```python\nimport os\n\nwith open(path) as file:\n    text = file.read()\n```\n",
    'fn main() {\n    let answer = 42;\n    println!("{}", answer);\n}\n',
)


def real() -> bool:
    """Say whether StarChat's real tokenizer is here."""
    return (REAL / "tokenizer.json").is_file()


def vectors() -> list[tuple[str, list[int]]]:
    """Return the reference texts with their ids in the real tokenizer; empty where it is absent."""
    if not real():
        return []
    found: list[dict[str, Any]] = json.loads((REAL / "vectors.json").read_text("utf-8"))
    return [(vector["text"], vector["ids"]) for vector in found]


def starchat_tokenizer_dir(tmp: Path) -> Path:
    """Write StarChat's tokenizer into `tmp`, the small one where the real one is absent."""
    if not real():
        return small_tokenizer_dir(tmp)
    tmp.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(REAL / name, tmp / name)
    return tmp


def small_tokenizer_dir(tmp: Path, more: Sequence[str] = (), size: int = SMALL_VOCABULARY) -> Path:
    """
    Write a tokenizer of `size` ids with StarChat's control tokens into `tmp`.

    It has seen `more` texts besides its own, so that those take few ids.
    """
    tmp.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(ROLES),
        special_tokens=list(CODE),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((*_TEXT, *more), trainer)
    tokenizer.add_special_tokens(list(ROLES))
    tokenizer.save(str(tmp / "tokenizer.json"))
    (tmp / "tokenizer_config.json").write_text(json.dumps(_config(), indent=1), "utf-8")
    return tmp


def _config() -> dict[str, Any]:
    return {
        "tokenizer_class": "GPT2TokenizerFast",
        "model_max_length": 8192,
        "bos_token": ENDOFTEXT,
        "eos_token": ENDOFTEXT,
        "unk_token": ENDOFTEXT,
        "additional_special_tokens": list(ROLES),
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
    }
