"""Files in prompts: byte for byte, within the tokens behind the question, never as control ids."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.attached_files import FileReference
from contract.conversation import Conversation, Turn
from testing.hostile_prompts import disguise_tokens
from testing.loaded_checkpoint import LoadedCheckpoint
from testing.tokenizers import CODE_TOKENS, reference_vectors
from tests.worker.prompt.turns import assistant_turn, user_turn
from worker.errors import QuestionTooLongError
from worker.prompt.builder import Prompt, PromptSources, build_prompt
from worker.prompt.chat_format import STARCHAT_CONTROLS
from worker.prompt.file_excerpts import FileText
from worker.prompt.file_turns import share_fairly

CODE = "def answer():\r\n\treturn '€ 42'\n\n"
LONG_LOG = "".join(f"{n} step done\n" for n in range(5_000))


def with_files(turn: Turn, *ids: str) -> Turn:
    """Return a turn with files of these ids."""
    files = tuple(FileReference(id=name, name=f"{name}.py", filetype="python") for name in ids)
    return turn.model_copy(update={"files": files})


def build_with(
    checkpoint: LoadedCheckpoint, turns: Conversation, texts: dict[str, FileText], positions: int
) -> Prompt:
    """Build a prompt whose reply has 256 tokens."""
    return build_prompt(
        turns,
        encoder=checkpoint.encoder,
        system="",
        positions=positions,
        max_new_tokens=256,
        sources=PromptSources(file_texts=texts),
    )


def read_texts(checkpoint: LoadedCheckpoint, prompt: Prompt) -> str:
    """Return the plain text of a prompt, without its control tokens."""
    parts = checkpoint.split_controls(prompt.token_ids)
    return "".join(part for part in parts if isinstance(part, str))


def test_file_precedes_its_question_byte_for_byte(checkpoint: LoadedCheckpoint) -> None:
    """It is between fences under its name, and the question follows."""
    turns = (with_files(user_turn("Why?"), "app"),)
    prompt = build_with(checkpoint, turns, {"app": FileText(CODE)}, 2_048)

    expected = f"(attached file: app.py)\n```python\n{CODE}```\n\nWhy?"
    assert expected in read_texts(checkpoint, prompt)
    assert prompt.excerpts["app"].is_whole


@pytest.mark.parametrize("name", ["starchat", "small", "smollm"])
def test_no_file_forges_a_control_token(name: str, request: pytest.FixtureRequest) -> None:
    """A file may spell each control token in any disguise: the prompt's controls stay the same."""
    checkpoint: LoadedCheckpoint = request.getfixturevalue(name)
    controls = {control.id for control in checkpoint.tokenizer.control_tokens.values()}
    spelled = [*CODE_TOKENS, *STARCHAT_CONTROLS, *checkpoint.tokenizer.control_tokens]
    turns = (with_files(user_turn("Why?"), "app"),)
    harmless = build_with(checkpoint, turns, {"app": FileText("x")}, 8_192)
    expected = [token for token in harmless.token_ids if token in controls]

    for text in disguise_tokens(dict.fromkeys(spelled)):
        content = text.encode("utf-8", "replace").decode()
        prompt = build_with(checkpoint, turns, {"app": FileText(content)}, 8_192)
        assert [token for token in prompt.token_ids if token in controls] == expected
        shown = checkpoint.tokenizer.make_encodable(content)
        assert shown in read_texts(checkpoint, prompt)


def test_reference_texts_keep_their_ids_in_a_file(starchat: LoadedCheckpoint) -> None:
    """Plain text of a file has the ids that StarChat's own tokenizer gives it."""
    turns = (with_files(user_turn("Why?"), "app"),)
    spelled = (*CODE_TOKENS, *STARCHAT_CONTROLS)
    for text, _ in reference_vectors():
        if any(token in text for token in spelled):
            continue
        prompt = build_with(starchat, turns, {"app": FileText(text)}, 8_192)
        whole = starchat.raw_tokenizer.decode(prompt.token_ids, skip_special_tokens=False)
        assert starchat.raw_tokenizer.encode(whole).ids == list(prompt.token_ids)
        assert starchat.tokenizer.make_encodable(text) in whole


def test_files_get_what_the_question_leaves(small: LoadedCheckpoint) -> None:
    """A short file is whole; a long one is cut to the rest of the window."""
    turns = (with_files(user_turn("Why? " * 50), "app", "log"),)
    texts = {"app": FileText(CODE), "log": FileText(LONG_LOG, shows_end=True)}
    prompt = build_with(small, turns, texts, 2_048)
    shown = read_texts(small, prompt)

    assert CODE in shown
    assert shown.rstrip().endswith("Why? Why?")
    assert prompt.excerpts["app"].is_whole
    assert prompt.excerpts["log"].tail_lines > prompt.excerpts["log"].head_lines > 0
    assert 2_048 - 256 - 100 < len(prompt.token_ids) <= 2_048 - 256


def test_file_of_an_earlier_message_is_shown_with_the_question(small: LoadedCheckpoint) -> None:
    """Its own message names it; the question after it shows it, and is never trimmed."""
    turns = (with_files(user_turn("", at=1), "app"), user_turn("Why?", at=2))
    prompt = build_with(small, turns, {"app": FileText(CODE)}, 2_048)

    assert (
        f"(attached file: app.py)\n\n(attached file: app.py)\n```python\n{CODE}```\n\nWhy?"
    ) in read_texts(small, prompt)


def test_follow_up_extends_the_previous_prompt(small: LoadedCheckpoint) -> None:
    """The files of the thread stay where they are, so that the prefix cache hits."""
    first = (user_turn("Hi", at=1), assistant_turn("Hello", at=1))
    asked = (*first, with_files(user_turn("Why?", at=2), "app", "log"))
    texts = {"app": FileText(CODE), "log": FileText(LONG_LOG[:300])}
    before = build_with(small, asked, texts, 2_048)
    answered = (*asked, assistant_turn("Because.", at=2))
    after = build_with(small, (*answered, user_turn("And?", at=3)), texts, 2_048)

    assert after.token_ids[: len(before.token_ids)] == before.token_ids
    assert after.excerpts == before.excerpts


def test_thread_keeps_a_share_beside_a_long_file(small: LoadedCheckpoint) -> None:
    """Older turns are not all dropped for a long log."""
    older = (user_turn("Remember teal. " * 20, at=1), assistant_turn("Yes.", at=1))
    turns = (*older, with_files(user_turn("Why?", at=2), "log"))
    prompt = build_with(small, turns, {"log": FileText(LONG_LOG)}, 2_048)

    assert prompt.dropped_turns == 0
    assert "Remember teal." in read_texts(small, prompt)
    assert prompt.excerpts["log"].is_visible


def test_prompt_tells_which_files_lost_their_place(small: LoadedCheckpoint) -> None:
    """In a long thread the oldest files are shortened, and later dropped with their turns."""
    turns = [with_files(user_turn("Why?", at=1), "log")]
    texts = {"log": FileText(LONG_LOG)}
    seen = set()
    for n in range(2, 20, 3):
        turns += [assistant_turn("word " * 40, at=n - 1), user_turn("And? " * 20, at=n)]
        found = build_with(small, tuple(turns), texts, 2_048).excerpts["log"]
        seen.add("shortened" if found.is_shortened else "dropped" if not found.is_visible else "")

    assert seen == {"shortened", "dropped"}


def test_file_without_room_is_named(small: LoadedCheckpoint) -> None:
    """A question that fills the window is still answered."""
    turns = (with_files(user_turn("Why does this happen? " * 60), "log"),)
    window = small.encoder.token_cost(turns[0].text) + 256 + 60
    prompt = build_with(small, turns, {"log": FileText(LONG_LOG)}, window)

    assert not prompt.excerpts["log"].is_visible
    assert "(attached file: log.py)\n\nWhy does this" in read_texts(small, prompt)


def test_shares_are_fair() -> None:
    """Small files first, the rest in equal shares."""
    assert share_fairly([10, 500, 30, 900], 440) == [10, 200, 30, 200]
    assert share_fairly([10, 20], 100) == [10, 20]
    assert share_fairly([10, 20], -5) == [0, 0]
    assert share_fairly([], 5) == []


@settings(max_examples=60)
@given(
    question=st.text(st.characters(codec="utf-8"), min_size=1, max_size=400),
    contents=st.lists(st.text(st.characters(codec="utf-8"), max_size=3_000), max_size=8),
    positions=st.integers(300, 3_000),
    shows_end=st.booleans(),
)
def test_files_never_make_a_question_too_long(
    starchat: LoadedCheckpoint,
    question: str,
    contents: list[str],
    positions: int,
    *,
    shows_end: bool,
) -> None:
    """Any files beside any question: it is answered if it would be answered without them."""
    texts = {f"F{n}": FileText(text, shows_end=shows_end) for n, text in enumerate(contents)}
    turns = (with_files(user_turn(question), *texts),)
    try:
        build_with(starchat, turns, {}, positions)
    except QuestionTooLongError:
        return
    prompt = build_with(starchat, turns, texts, positions)

    assert len(prompt.token_ids) + prompt.max_new_tokens <= positions
    assert set(prompt.excerpts) == set(texts)


@pytest.mark.parametrize("shows_end", [True, False])
@pytest.mark.parametrize(
    "unit", [" ", "\n", "`", "```\n", "a", "1", "😀", "a\u0301", "<|end|>", "a:\n"]
)
def test_monotonous_files_stay_within_their_room(
    starchat: LoadedCheckpoint, unit: str, *, shows_end: bool
) -> None:
    """No text costs more than its share, also if a token of it has hundreds of characters."""
    texts = {f"F{n}": FileText(unit * (65_536 // len(unit)), shows_end=shows_end) for n in range(3)}
    turns = (with_files(user_turn("Why?"), *texts),)
    prompt = build_with(starchat, turns, texts, 2_048)

    assert len(prompt.token_ids) <= 2_048 - 256 + 32
    assert len(read_texts(starchat, prompt)) <= 16 * 2_048
    assert all(excerpt.is_visible for excerpt in prompt.excerpts.values())
