"""Incremental detokenizer: exact text of whole characters."""

from hypothesis import given
from hypothesis import strategies as st

from testing.loaded_checkpoint import LoadedCheckpoint
from worker.prompt.tokenizer import IncrementalDetokenizer

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


def stream_in_chunks(stream: IncrementalDetokenizer, ids: list[int], sizes: list[int]) -> list[str]:
    """Feed ids in chunks of `sizes`, the rest one by one, and return each result."""
    shown = []
    while ids:
        size = sizes.pop() if sizes else 1
        shown.append(stream.append_ids(ids[:size]))
        ids = ids[size:]
    return [*shown, stream.flush_text()]


@given(text=TEXTS, sizes=st.lists(st.integers(0, 5), max_size=9))
def test_streamed_text_equals_the_text(
    checkpoint: LoadedCheckpoint, text: str, sizes: list[int]
) -> None:
    """For any chunks the results join to the text, byte for byte."""
    ids = checkpoint.tokenizer.encode(text)

    whole = "".join(stream_in_chunks(IncrementalDetokenizer(checkpoint.tokenizer), ids, sizes))

    assert whole == checkpoint.tokenizer.make_encodable(text).rstrip("\ufffd")


@given(ids=st.lists(st.integers(0, 447) | st.integers(60, 330), max_size=40))
def test_any_ids_can_be_streamed(small: LoadedCheckpoint, ids: list[int]) -> None:
    """The results join to the decoded ids, except for an incomplete character at the end."""
    whole = "".join(stream_in_chunks(IncrementalDetokenizer(small.tokenizer), ids, []))

    assert whole == small.tokenizer.decode(ids).rstrip("\ufffd")


@given(data=st.data())
def test_any_ids_of_real_models_can_be_streamed(
    checkpoint: LoadedCheckpoint, data: st.DataObject
) -> None:
    """The same holds over the whole vocabulary of a real model."""
    last = max(control.id for control in checkpoint.tokenizer.control_tokens.values())
    ids = data.draw(st.lists(st.integers(0, last), max_size=20))

    whole = "".join(stream_in_chunks(IncrementalDetokenizer(checkpoint.tokenizer), ids, []))

    assert whole == checkpoint.tokenizer.decode(ids).rstrip("\ufffd")


def test_incomplete_character_is_held_back(starchat: LoadedCheckpoint) -> None:
    """A character of several tokens appears when it is complete, or never."""
    ids = starchat.tokenizer.encode("ok 🦙")
    stream = IncrementalDetokenizer(starchat.tokenizer)
    shown = stream.append_ids(ids[:-1])

    assert shown in {"ok", "ok "}
    assert shown + stream.append_ids(ids[-1:]) == "ok 🦙"
    cut = IncrementalDetokenizer(starchat.tokenizer)
    assert cut.append_ids(ids[:-1]) + cut.flush_text() == "ok "


def test_control_tokens_give_no_text(starchat: LoadedCheckpoint) -> None:
    """A control token shows nothing and breaks no character."""
    middle, end = (
        starchat.tokenizer.control_tokens[name].id for name in ("<fim_middle>", "<|end|>")
    )
    first, *rest = starchat.tokenizer.encode("🦙")
    stream = IncrementalDetokenizer(starchat.tokenizer)

    assert stream.append_ids([middle, first, end, *rest, middle]) == "🦙"
