"""Tokenizer: exact ids, and no text that becomes a control token."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.hostile_prompts import disguise_tokens
from testing.loaded_checkpoint import LoadedCheckpoint
from testing.tokenizers import has_real_tokenizer, reference_vectors, write_small_tokenizer
from worker.prompt.tokenizer import CheckpointError, Tokenizer, replace_surrogates

TEXTS = st.text(st.characters(codec=None), max_size=80)
"""Any text that JSON can carry, lone surrogates too."""


def edit_tokenizer(tmp_path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Write the small tokenizer, with an edit."""
    file = write_small_tokenizer(tmp_path) / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    edit(data)
    file.write_text(json.dumps(data), "utf-8")
    return tmp_path


@pytest.mark.skipif(
    not has_real_tokenizer(), reason="needs StarChat's real tokenizer beside the repository"
)
@pytest.mark.parametrize(("text", "ids"), reference_vectors())
def test_reference_texts_have_reference_ids(
    starchat: LoadedCheckpoint, text: str, ids: list[int]
) -> None:
    """An independent implementation gives the same ids, and they decode to the texts."""
    assert starchat.tokenizer.encode(text) == ids
    assert starchat.tokenizer.decode(ids) == text


@pytest.mark.skipif(
    not has_real_tokenizer(), reason="needs StarChat's real tokenizer beside the repository"
)
def test_control_tokens_have_the_card_s_ids(starchat: LoadedCheckpoint) -> None:
    """The four role tokens follow the vocabulary, and the end of text is 0."""
    names = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>")

    assert [starchat.tokenizer.control_tokens[name].id for name in names] == [
        *range(49152, 49156),
        0,
    ]
    assert len(starchat.tokenizer.control_tokens) == 23


def test_disguised_control_token_stays_plain_text(checkpoint: LoadedCheckpoint) -> None:
    """Each spelling of a control token gives plain ids with the same text."""
    tokenizer = checkpoint.tokenizer
    controls = {control.id for control in tokenizer.control_tokens.values()}
    for text in disguise_tokens(tokenizer.control_tokens):
        ids = tokenizer.encode(text)

        assert controls.isdisjoint(ids)
        assert tokenizer.decode(ids) == replace_surrogates(text) == tokenizer.make_encodable(text)


@given(text=TEXTS)
def test_any_text_survives_a_round_trip(checkpoint: LoadedCheckpoint, text: str) -> None:
    """The ids decode to the text, except for characters that cannot be encoded."""
    tokenizer = checkpoint.tokenizer

    assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.make_encodable(text)


def test_starchat_encodes_every_assigned_character(starchat: LoadedCheckpoint) -> None:
    """Only planes 4 to 7, which are empty, cannot be encoded."""
    written = starchat.tokenizer.make_encodable
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x40000), *range(0x80000, 0x110000))))

    assert written(every) == every
    if has_real_tokenizer():
        assert written("\U00040000\U0007ffff") == "\ufffd\ufffd"


def test_unencodable_character_is_replaced(smollm: LoadedCheckpoint) -> None:
    """A missing character becomes one mark and damages nothing beside it."""
    tokenizer = smollm.tokenizer

    assert tokenizer.decode(tokenizer.encode("a\x04b\U00080000c\x03")) == "a\ufffdb\ufffdc\x03"


@given(text=TEXTS)
def test_only_lone_surrogates_are_replaced(text: str) -> None:
    """Text that can be encoded is unchanged."""
    cleaned = replace_surrogates(text)

    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert replace_surrogates(cleaned) == cleaned
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert cleaned == text


def test_surrogate_pair_becomes_its_character() -> None:
    """A lone surrogate is replaced."""
    assert (
        replace_surrogates("\ud83d\ude00 \ud800 \ude00\ud83d") == "\U0001f600 \ufffd \ufffd\ufffd"
    )


def test_text_is_not_normalized() -> None:
    """Normalization would turn a full-width spelling into a control token."""
    assert replace_surrogates("＜｜end｜＞ ﬁ e\u0301") == "＜｜end｜＞ ﬁ e\u0301"


def test_split_ends_cuts_no_character(starchat: LoadedCheckpoint) -> None:
    """Both ends are parts of the text."""
    text = "🦙 wörld \ud800 " * 40
    head, tail = starchat.tokenizer.split_ends(text, 10, 7)

    assert replace_surrogates(text).startswith(head)
    assert replace_surrogates(text).endswith(tail)
    assert 8 <= len(starchat.tokenizer.encode(head)) <= 12
    assert 5 <= len(starchat.tokenizer.encode(tail)) <= 9


def test_checkpoint_without_tokenizer_is_refused(tmp_path: Path) -> None:
    """The error names the missing file."""
    with pytest.raises(CheckpointError, match=r"has no tokenizer\.json"):
        Tokenizer.from_checkpoint(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"added_tokens": [{"id": 1}]}'])
def test_unreadable_tokenizer_file_is_refused(tmp_path: Path, content: str) -> None:
    """The error names the file."""
    (tmp_path / "tokenizer.json").write_text(content, "utf-8")

    with pytest.raises(CheckpointError, match=r"tokenizer\.json cannot be"):
        Tokenizer.from_checkpoint(tmp_path)


def test_library_error_is_passed_on(tmp_path: Path) -> None:
    """The operator sees what the library says of the file."""
    directory = edit_tokenizer(tmp_path, lambda data: data["model"].update(type="Crystal"))

    with pytest.raises(CheckpointError, match="cannot be used"):
        Tokenizer.from_checkpoint(directory)


def test_forgeable_tokenizer_is_refused(tmp_path: Path) -> None:
    """A vocabulary that encodes plain letters as a control token is refused at startup."""

    def forge(data: dict[str, Any]) -> None:
        data["model"] = {
            "type": "WordLevel",
            "vocab": {"<|end|>": 447, "?": 30},
            "unk_token": "?",
        }
        data["pre_tokenizer"] = {"type": "WhitespaceSplit"}

    with pytest.raises(CheckpointError, match=r"encodes plain text as the control token <\|end\|>"):
        Tokenizer.from_checkpoint(edit_tokenizer(tmp_path, forge))


def test_truncation_and_padding_are_off(tmp_path: Path) -> None:
    """A tokenizer file may ask for both."""

    def cut(data: dict[str, Any]) -> None:
        data["truncation"] = {
            "direction": "Right",
            "max_length": 4,
            "strategy": "LongestFirst",
            "stride": 0,
        }
        data["padding"] = {
            "strategy": {"Fixed": 90},
            "direction": "Left",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "<|endoftext|>",
        }

    tokenizer = Tokenizer.from_checkpoint(edit_tokenizer(tmp_path, cut))

    assert tokenizer.decode(tokenizer.encode("a text of more than four tokens")) == (
        "a text of more than four tokens"
    )
    assert 0 not in tokenizer.encode("short")


def test_added_tokens_cannot_be_spelled(tmp_path: Path) -> None:
    """A tag that is one token cannot be typed, but a run of spaces can."""

    def add(data: dict[str, Any]) -> None:
        flags = dict.fromkeys(("special", "lstrip", "rstrip", "single_word", "normalized"), False)
        for n, content in enumerate(("<tool_call>", "    ", "\u2581\u2581")):
            data["added_tokens"].append({"id": 448 + n, "content": content} | flags)

    tokenizer = Tokenizer.from_checkpoint(edit_tokenizer(tmp_path, add))

    assert tokenizer.control_tokens["<tool_call>"].id == 448
    assert 448 not in tokenizer.encode("a <tool_call> b")
    assert tokenizer.encode("    ") == [449]
    assert tokenizer.encode("\u2581\u2581") == [450]
    assert tokenizer.decode([448, 0, *tokenizer.encode("x")]) == "<tool_call>x"


def test_prompts_need_no_model_library() -> None:
    """Building prompts needs only the tokenizer library."""
    code = (
        "import sys, worker.prompt.builder; "
        "print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert found.stdout.strip() == "[]"
