"""A reply's text while it arrives: exact, whole characters only, and never a part of a stop."""

import re

from hypothesis import given
from hypothesis import strategies as st

from testing.loaded_checkpoint import LoadedCheckpoint
from worker.prompt.tokenizer import IncrementalDetokenizer

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
STOP_STRINGS = ("<|end|>", "<|user|>", "</s>", "<|")


def stream_in_chunks(stream: IncrementalDetokenizer, ids: list[int], sizes: list[int]) -> list[str]:
    """Feed ids in portions of `sizes`, the rest one by one, and return each answer."""
    shown = []
    while ids:
        size = sizes.pop() if sizes else 1
        shown.append(stream.append_ids(ids[:size]))
        ids = ids[size:]
    return [*shown, stream.flush_text()]


@given(text=TEXTS, sizes=st.lists(st.integers(0, 5), max_size=9))
def test_a_streamed_text_is_the_text(
    checkpoint: LoadedCheckpoint, text: str, sizes: list[int]
) -> None:
    """However the ids come in portions, the pieces make the text, byte for byte."""
    ids = checkpoint.tokenizer.encode(text)

    whole = "".join(stream_in_chunks(IncrementalDetokenizer(checkpoint.tokenizer), ids, sizes))

    assert whole == checkpoint.tokenizer.make_encodable(text).rstrip("\ufffd")


@given(ids=st.lists(st.integers(0, 447) | st.integers(60, 330), max_size=40))
def test_no_ids_break_a_stream(small: LoadedCheckpoint, ids: list[int]) -> None:
    """Whatever a model puts out, the pieces make what the ids say, but for a half at the end."""
    whole = "".join(stream_in_chunks(IncrementalDetokenizer(small.tokenizer), ids, []))

    assert whole == small.tokenizer.decode(ids).rstrip("\ufffd")


@given(data=st.data())
def test_no_ids_break_a_stream_of_the_real_models(
    checkpoint: LoadedCheckpoint, data: st.DataObject
) -> None:
    """The same holds over the whole vocabulary of a real model."""
    last = max(control.id for control in checkpoint.tokenizer.control_tokens.values())
    ids = data.draw(st.lists(st.integers(0, last), max_size=20))

    whole = "".join(stream_in_chunks(IncrementalDetokenizer(checkpoint.tokenizer), ids, []))

    assert whole == checkpoint.tokenizer.decode(ids).rstrip("\ufffd")


def test_half_a_character_is_held_back(starchat: LoadedCheckpoint) -> None:
    """A character of several tokens is shown when it is whole, and not at all if it never is."""
    ids = starchat.tokenizer.encode("ok 🦙")
    stream = IncrementalDetokenizer(starchat.tokenizer)
    shown = stream.append_ids(ids[:-1])

    assert shown in {"ok", "ok "}
    assert shown + stream.append_ids(ids[-1:]) == "ok 🦙"
    cut = IncrementalDetokenizer(starchat.tokenizer)
    assert cut.append_ids(ids[:-1]) + cut.flush_text() == "ok "


def test_control_tokens_are_no_text(starchat: LoadedCheckpoint) -> None:
    """A control token that the model writes shows nothing and breaks no character."""
    middle, end = (
        starchat.tokenizer.control_tokens[name].id for name in ("<fim_middle>", "<|end|>")
    )
    first, *rest = starchat.tokenizer.encode("🦙")
    stream = IncrementalDetokenizer(starchat.tokenizer)

    assert stream.append_ids([middle, first, end, *rest, middle]) == "🦙"


@given(
    parts=st.lists(
        st.sampled_from([*STOP_STRINGS, "<", "|", "<|e", "/", "s>", "a", " ", "🦙"]), max_size=12
    ),
    sizes=st.lists(st.integers(0, 4), max_size=9),
)
def test_nothing_of_a_stop_string_is_ever_shown(
    small: LoadedCheckpoint, parts: list[str], sizes: list[int]
) -> None:
    """The text ends before the first stop string; what was shown before is never taken back."""
    text = "".join(parts)
    found = re.search("|".join(map(re.escape, STOP_STRINGS)), text)
    stream = IncrementalDetokenizer(small.tokenizer, STOP_STRINGS)

    whole = "".join(stream_in_chunks(stream, small.tokenizer.encode(text), sizes))

    assert whole == (text[: found.start()] if found else text)
    assert stream.stopped is bool(found)


def test_what_may_become_a_stop_is_held_until_it_is_certain(small: LoadedCheckpoint) -> None:
    """The beginning of a stop string waits, and is shown when it turns out to be something else."""
    encode = small.tokenizer.encode
    stream = IncrementalDetokenizer(small.tokenizer, ("<|end|>", "<|user|>"))

    assert stream.append_ids(encode("a <|en")) == "a "
    assert stream.append_ids(encode("ough <|us")) == "<|enough "
    assert stream.flush_text() == "<|us"
    assert not stream.stopped


def test_a_stop_that_repeats_itself_is_held_from_its_beginning(small: LoadedCheckpoint) -> None:
    """Where a stop string begins like it goes on, the longest beginning is held."""
    encode = small.tokenizer.encode
    stream = IncrementalDetokenizer(small.tokenizer, ("<<|",))

    assert stream.append_ids(encode("a<<")) == "a"
    assert stream.append_ids(encode("<")) == "<"
    assert stream.append_ids(encode("|b")) == ""
    assert stream.stopped


def test_nothing_follows_a_stop(small: LoadedCheckpoint) -> None:
    """Once a stop string has come, later ids show nothing."""
    encode = small.tokenizer.encode
    stream = IncrementalDetokenizer(small.tokenizer, ("<|end|>",))

    assert stream.append_ids(encode("done<|end|>\nmore")) == "done"
    assert stream.stopped
    assert stream.append_ids(encode("more")) == ""
    assert stream.flush_text() == ""


def test_a_stop_may_come_with_the_last_half_character(small: LoadedCheckpoint) -> None:
    """A stop string that was held with half a character still ends the text when it finishes."""
    ids = small.tokenizer.encode("yes<|end|>🦙")
    stream = IncrementalDetokenizer(small.tokenizer, ("<|end|>",))

    assert stream.append_ids(ids[:-1]) + stream.flush_text() == "yes"
    assert stream.stopped
