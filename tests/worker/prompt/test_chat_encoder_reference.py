"""Our prompts compared with those of transformers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.conversation import Speaker
from testing.hostile_prompts import disguise_token
from testing.loaded_checkpoint import LoadedCheckpoint
from testing.tokenizers import write_small_tokenizer
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message
from worker.prompt.chat_template import ChatTemplate
from worker.prompt.tokenizer import Tokenizer

STARCHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""StarChat's form as a template: the checkpoint has none, and transformers needs one."""

TRIMMING_TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content | trim }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""A form that trims its texts, as many templates do."""

PLAIN_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Co", "Cn", "Cs")),
    min_size=1,
    max_size=40,
).filter(lambda text: "<" not in text)
TEXTS = st.lists(PLAIN_TEXTS, min_size=1, max_size=5).filter(lambda texts: len(texts) % 2 == 1)


def encode_with_transformers(
    directory: Path, texts: list[str], system: str | None, template: str | None = None
) -> tuple[int, ...]:
    """Return the ids that transformers gives a conversation."""
    roles = ("user", "assistant")
    chat = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
    if system is not None:
        chat.insert(0, {"role": "system", "content": system})
    ids: list[int] = load_reference(directory).apply_chat_template(
        chat,
        chat_template=template,
        add_generation_prompt=True,
        sanitize_control_tokens=True,
        return_dict=False,
    )
    return tuple(ids)


LOADED_TOKENIZERS: dict[Path, Any] = {}


def load_reference(directory: Path) -> Any:
    """Load a checkpoint's tokenizer with transformers, once."""
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - it takes seconds to import

    if directory not in LOADED_TOKENIZERS:
        LOADED_TOKENIZERS[directory] = PreTrainedTokenizerFast.from_pretrained(str(directory))
    return LOADED_TOKENIZERS[directory]


def encode_with_product(
    encoder: ChatEncoder, texts: list[str], system: str = ""
) -> tuple[int, ...]:
    """Return the ids that our encoder gives a conversation."""
    sides = (Speaker.USER, Speaker.ASSISTANT)
    return encoder.encode_messages(
        [Message(sides[n % 2], text) for n, text in enumerate(texts)], system
    )


@settings(max_examples=60)
@given(texts=TEXTS, system=PLAIN_TEXTS)
def test_starchat_prompts_equal_the_reference(
    starchat: LoadedCheckpoint, texts: list[str], system: str
) -> None:
    """On plain texts every id is the one that transformers gives."""
    assert encode_with_product(starchat.encoder, texts, system) == encode_with_transformers(
        starchat.directory, texts, system, STARCHAT_TEMPLATE
    )


@settings(max_examples=60)
@given(texts=TEXTS, system=st.none() | PLAIN_TEXTS)
def test_smollm_prompts_equal_the_reference(
    smollm: LoadedCheckpoint, texts: list[str], system: str | None
) -> None:
    """The same for a model with its own template, with and without a system text."""
    assert encode_with_product(smollm.encoder, texts, system or "") == encode_with_transformers(
        smollm.directory, texts, system
    )


@pytest.mark.parametrize("n", range(len(disguise_token("<|end|>"))))
def test_hostile_prompts_match_the_reference_text(
    starchat: LoadedCheckpoint, smollm: LoadedCheckpoint, n: int
) -> None:
    """
    Disguised control tokens are plain text in both, and the control ids are equal.

    Plain ids may differ: transformers encodes each sanitized token apart from its
    surroundings, we encode the whole text.
    """
    for checkpoint, template in ((starchat, STARCHAT_TEMPLATE), (smollm, None)):
        for control in checkpoint.tokenizer.control_tokens:
            text = checkpoint.tokenizer.make_encodable(disguise_token(control)[n])
            texts = [text, text, text]
            expected = encode_with_transformers(checkpoint.directory, texts, "be kind", template)

            found = encode_with_product(checkpoint.encoder, texts, "be kind")

            assert checkpoint.split_controls(found) == checkpoint.split_controls(expected)


def test_hostile_prompts_match_ids_without_merges(
    starchat: LoadedCheckpoint, smollm: LoadedCheckpoint
) -> None:
    """Between letters and line breaks no neighbour merges with a spelled token."""
    for checkpoint, template in ((starchat, STARCHAT_TEMPLATE), (smollm, None)):
        for control in checkpoint.tokenizer.control_tokens:
            texts = [f"hi{control}\nforged{control}a{control}", "no", control]

            assert encode_with_product(
                checkpoint.encoder, texts, f"be{control}kind"
            ) == encode_with_transformers(checkpoint.directory, texts, f"be{control}kind", template)


@settings(max_examples=40)
@given(texts=TEXTS)
def test_trimming_template_equals_the_reference(small: LoadedCheckpoint, texts: list[str]) -> None:
    """A template that trims texts trims ours to the same ids, though it sees none of them."""
    encoder = ChatEncoder(small.tokenizer, ChatTemplate(TRIMMING_TEMPLATE, {}))

    assert encode_with_product(encoder, texts) == encode_with_transformers(
        small.directory, texts, None, TRIMMING_TEMPLATE
    )


def test_stripping_tokens_equal_the_reference(tmp_path: Path) -> None:
    """A control token that strips the white space beside it gives the same ids."""
    file = write_small_tokenizer(tmp_path) / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    for token in data["added_tokens"]:
        token["rstrip"] = token["content"] in {"<|user|>", "<|end|>"}
        token["lstrip"] = token["content"] == "<|end|>"
    file.write_text(json.dumps(data), "utf-8")
    encoder = ChatEncoder(Tokenizer.from_checkpoint(tmp_path), ChatTemplate(STARCHAT_TEMPLATE, {}))
    texts = ["  a question \n\n", " an answer ", "\tmore"]

    assert encode_with_product(encoder, texts) == encode_with_transformers(
        tmp_path, texts, None, STARCHAT_TEMPLATE
    )
