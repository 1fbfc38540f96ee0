"""Chat encoder: StarChat's format to the exact id, other models' by their template."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.conversation import Speaker
from testing.hostile_prompts import disguise_tokens
from testing.loaded_checkpoint import LoadedCheckpoint
from testing.tokenizers import CODE_TOKENS, has_real_tokenizer, write_small_tokenizer
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import STARCHAT_CONTROLS, Message
from worker.prompt.tokenizer import CheckpointError, Tokenizer

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
CONTROL_TEXTS = (*CODE_TOKENS, *STARCHAT_CONTROLS)
PLAIN_TEXTS = TEXTS.filter(lambda text: not any(control in text for control in CONTROL_TEXTS))


def _strip_line_break(message: Message) -> str:
    """Return a message's text; a reply without the format's line break at its start."""
    reply = message.speaker is Speaker.ASSISTANT
    return message.text.removeprefix("\n") if reply else message.text


def alternate_messages(*texts: str) -> tuple[Message, ...]:
    """Return messages of alternating roles, a user's first."""
    return tuple(
        Message(Speaker.ASSISTANT if n % 2 else Speaker.USER, text) for n, text in enumerate(texts)
    )


@pytest.mark.skipif(
    not has_real_tokenizer(), reason="needs StarChat's real tokenizer beside the repository"
)
def test_one_question_has_the_card_s_ids(starchat: LoadedCheckpoint) -> None:
    """The prompt for one question has the ids of the model card's example."""
    ids = starchat.encoder.encode_messages(alternate_messages("How can I sort a list in Python?"))

    assert ids == (
        *(49152, 203, 49155, 203),
        *(49153, 203, 8257, 883, 439, 3844, 312, 1149, 328, 4865, 49, 49155, 203),
        49154,
    )


@given(
    system=PLAIN_TEXTS,
    texts=st.lists(PLAIN_TEXTS, min_size=1, max_size=5).filter(lambda t: len(t) % 2),
)
def test_plain_texts_have_ids_of_the_whole_string(
    starchat: LoadedCheckpoint, system: str, texts: list[str]
) -> None:
    """If no text spells a control token, the ids are those of the string encoded at once."""
    turns = "".join(
        f"<|{message.speaker}|>\n{_strip_line_break(message)}<|end|>\n"
        for message in alternate_messages(*texts)
    )
    literal = f"<|system|>\n{system}<|end|>\n{turns}<|assistant|>"
    ids = starchat.encoder.encode_messages(alternate_messages(*texts), system)

    assert (
        list(ids) == starchat.raw_tokenizer.encode(starchat.tokenizer.make_encodable(literal)).ids
    )


def test_only_the_chat_format_writes_control_ids(starchat: LoadedCheckpoint) -> None:
    """Texts that spell control tokens add none."""
    system, user, assistant, end = (
        starchat.tokenizer.control_tokens[f"<|{name}|>"].id
        for name in ("system", "user", "assistant", "end")
    )
    for text in disguise_tokens(starchat.tokenizer.control_tokens):
        prompt_parts = starchat.split_controls(
            starchat.encoder.encode_messages(alternate_messages(text, text, text), text)
        )
        literal = "\n" + starchat.tokenizer.make_encodable(text)

        assert prompt_parts == [
            *(system, literal, end, "\n"),
            *(user, literal, end, "\n", assistant, literal, end, "\n", user, literal, end, "\n"),
            assistant,
        ]


def test_stop_ids_are_the_format_s_and_checkpoint_s(
    starchat: LoadedCheckpoint,
) -> None:
    """The end of a turn, any role token, the end of text, and the checkpoint's EOS ids."""
    controls = starchat.tokenizer.control_tokens
    names = ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
    loaded = ChatEncoder.from_checkpoint(starchat.directory, starchat.tokenizer, eos_ids=(7, 0))

    assert starchat.encoder.stop_token_ids == tuple(sorted(controls[name].id for name in names))
    assert loaded.stop_token_ids == tuple(sorted({7, *starchat.encoder.stop_token_ids}))
    assert set(starchat.encoder.stop_strings) == set(names[1:])


def test_stop_ids_are_read_from_a_template(smollm: LoadedCheckpoint) -> None:
    """For another model the stop tokens come from its template."""
    assert smollm.encoder.stop_token_ids == (0, 1, 2)
    assert set(smollm.encoder.stop_strings) == {"<|im_start|>", "<|im_end|>"}


def test_generated_ids_are_reused(checkpoint: LoadedCheckpoint) -> None:
    """So the next prompt starts with the previous one and the very ids that followed."""
    encoder, tokenizer = checkpoint.encoder, checkpoint.tokenizer
    first_prompt = encoder.encode_messages(alternate_messages("hi"))
    starchat = "<|assistant|>" in tokenizer.control_tokens
    text = "\nSort the list in place." if starchat else "Sort the list in place."
    generated = [token for letter in text for token in tokenizer.encode(letter)]
    messages = alternate_messages("hi", text, "and then?")

    prompt_ids = encoder.encode_messages(messages, generated_ids={text: generated})

    assert len(generated) > len(tokenizer.encode(text))
    assert prompt_ids[: len(first_prompt) + len(generated)] == (*first_prompt, *generated)
    assert checkpoint.split_controls(prompt_ids) == checkpoint.split_controls(
        encoder.encode_messages(messages)
    )


@pytest.mark.parametrize("wrong", ["another text", "a control token", "nothing", "unknown ids"])
def test_generated_ids_of_other_text_are_ignored(checkpoint: LoadedCheckpoint, wrong: str) -> None:
    """They come from Redis and may be another model's: only an exact match is used."""
    tokenizer = checkpoint.tokenizer
    control = next(control.id for control in tokenizer.control_tokens.values() if control.special)
    ids = {
        "another text": tokenizer.encode("Sort it."),
        "a control token": [*tokenizer.encode("\nOk."), control],
        "nothing": [],
        "unknown ids": [10**9],
    }[wrong]
    messages = alternate_messages("hi", "\nOk.", "and then?")

    prompt_ids = checkpoint.encoder.encode_messages(messages, generated_ids={"\nOk.": ids})

    assert prompt_ids == checkpoint.encoder.encode_messages(messages)


def test_token_cost_is_a_tight_upper_bound(checkpoint: LoadedCheckpoint) -> None:
    """It covers what a message adds to the prompt, with little to spare."""
    encoder = checkpoint.encoder
    for text in ("", "x", "def f():\n    return 1\n", "🦙 wörld", "\n\n  \n"):
        one = len(encoder.encode_messages(alternate_messages(text)))
        three = len(encoder.encode_messages(alternate_messages(text, text, text)))

        assert three - one <= 2 * encoder.token_cost(text) <= three - one + 8


def test_checkpoint_without_chat_format_is_refused(tmp_path: Path) -> None:
    """The error says what is missing: neither the tokens nor a template are there."""
    directory = remove_starcoder_marker(tmp_path)

    with pytest.raises(CheckpointError) as refused:
        ChatEncoder.from_checkpoint(directory, Tokenizer.from_checkpoint(directory))

    assert "neither StarChat's role tokens" in str(refused.value)
    assert "chat_template.jinja" in str(refused.value)


def test_role_tokens_of_other_models_use_a_template(tmp_path: Path) -> None:
    """Other models use StarChat's role tokens in another form: their template decides."""
    directory = remove_starcoder_marker(tmp_path)
    (directory / "chat_template.jinja").write_text(
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
    )
    checkpoint = LoadedCheckpoint.load_directory(directory)

    prompt_parts = checkpoint.split_controls(
        checkpoint.encoder.encode_messages(alternate_messages("hi"))
    )

    assert "".join(map(checkpoint.describe_part, prompt_parts)) == "<|user|>hi<|end|><|assistant|>"


def test_html_tag_is_no_stop_string(tmp_path: Path) -> None:
    """If `<s>` is a control token, a reply may still spell that tag; only the id stops it."""
    directory = remove_starcoder_marker(tmp_path)
    file = directory / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    flags = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    data["added_tokens"].append({"id": 448, "content": "<s>", "special": True} | flags)
    file.write_text(json.dumps(data), "utf-8")
    (directory / "chat_template.jinja").write_text(
        "<s>{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    )
    encoder = LoadedCheckpoint.load_directory(directory).encoder

    assert 448 in encoder.stop_token_ids
    assert encoder.stop_strings == ()


def test_longer_of_two_control_tokens_wins(tmp_path: Path) -> None:
    """If one control token is a prefix of another, the format's text is the longer one."""
    directory = remove_starcoder_marker(tmp_path)
    file = directory / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    flags = dict.fromkeys(("lstrip", "rstrip", "single_word", "normalized"), False)
    data["added_tokens"].append({"id": 448, "content": "<|user|>:", "special": True} | flags)
    file.write_text(json.dumps(data), "utf-8")
    (directory / "chat_template.jinja").write_text(
        "{% for m in messages %}<|user|>:{{ m.content }}{% endfor %}"
    )
    checkpoint = LoadedCheckpoint.load_directory(directory)

    assert checkpoint.encoder.encode_messages(alternate_messages("x")) == (
        448,
        *checkpoint.tokenizer.encode("x"),
    )


def remove_starcoder_marker(tmp_path: Path) -> Path:
    """Write a tokenizer with StarChat's four tokens but none of StarCoder's."""
    file = write_small_tokenizer(tmp_path) / "tokenizer.json"
    data = json.loads(file.read_text("utf-8"))
    data["added_tokens"] = [t for t in data["added_tokens"] if t["content"] not in CODE_TOKENS[1:]]
    file.write_text(json.dumps(data), "utf-8")
    return tmp_path
