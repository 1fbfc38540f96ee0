"""Prompt builder: the whole thread if it fits, else its newest turns."""

import pytest

from contract.conversation import Turn
from testing.loaded_checkpoint import LoadedCheckpoint
from tests.worker.prompt.turns import alternate_turns, assistant_turn, user_turn
from worker.errors import QuestionTooLongError
from worker.prompt.builder import (
    MAX_NAME_CHARACTERS,
    MIN_NEW_TOKENS,
    Prompt,
    build_prompt,
)
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_template import ChatTemplate
from worker.prompt.context_window import OMISSION_MARK
from worker.prompt.system_prompt import SystemPromptTooLongError


def build_for(checkpoint: LoadedCheckpoint, *turns: Turn, **options: object) -> Prompt:
    """Build a prompt, by default for StarChat's context window."""
    arguments = {"system": "", "positions": 8192, "max_new_tokens": 256} | options
    return build_prompt(turns, encoder=checkpoint.encoder, **arguments)  # type: ignore[arg-type]


def total_cost(checkpoint: LoadedCheckpoint, *texts: str) -> int:
    """Return about how many tokens a conversation of these texts takes."""
    return sum(map(checkpoint.encoder.token_cost, texts)) + 4


def decode_prompt(checkpoint: LoadedCheckpoint, prompt: Prompt) -> str:
    """Return a prompt as text, with control tokens spelled out."""
    return "".join(map(checkpoint.describe_part, checkpoint.split_controls(prompt.token_ids)))


def test_first_question_has_the_card_s_form(starchat: LoadedCheckpoint) -> None:
    """The prompt is laid out as in the model card, and the reply has its full length."""
    prompt = build_for(starchat, user_turn("How do I reverse a list?"))

    assert decode_prompt(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\nHow do I reverse a list?<|end|>\n<|assistant|>"
    )
    assert (prompt.dropped_turns, prompt.max_new_tokens, prompt.shortened_turns) == (0, 256, 0)


def test_further_turns_have_the_same_form(starchat: LoadedCheckpoint) -> None:
    """Each finished turn is closed, answers are verbatim, the system prompt comes first."""
    prompt = build_for(
        starchat, *alternate_turns("one?", " two\n```\nx\n```", "three?"), system="Be kind."
    )

    assert decode_prompt(starchat, prompt) == (
        "<|system|>\nBe kind.<|end|>\n<|user|>\none?<|end|>\n"
        "<|assistant|>\n two\n```\nx\n```<|end|>\n<|user|>\nthree?<|end|>\n<|assistant|>"
    )


@pytest.mark.parametrize(("generated", "in_prompt"), [("\ntwo", "two"), ("\n\ntwo", "\ntwo")])
def test_generated_line_break_is_not_repeated(
    starchat: LoadedCheckpoint, generated: str, in_prompt: str
) -> None:
    """A generated reply starts with the format's line break; user text is left as it is."""
    prompt = build_for(starchat, *alternate_turns("\none?", generated, "three?"))

    assert decode_prompt(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\n\none?<|end|>\n"
        f"<|assistant|>\n{in_prompt}<|end|>\n<|user|>\nthree?<|end|>\n<|assistant|>"
    )


def test_next_prompt_starts_with_computed_tokens(
    checkpoint: LoadedCheckpoint,
) -> None:
    """It starts with the previous prompt and the reply's own ids, so nothing is recomputed."""
    first = build_for(checkpoint, user_turn("one?"))
    tokenizer = checkpoint.encoder.tokenizer
    # If the prompt ends with a control token, the model writes the line break after it.
    opened = first.token_ids[-1] in {control.id for control in tokenizer.control_tokens.values()}
    form = "\n" if opened else ""
    reply = f"{form}Use a slice:\n\n```python\nitems[::-1]\n```\nÄ 🎉"
    computed = first.token_ids + tuple(tokenizer.encode(reply))

    second = build_for(checkpoint, *alternate_turns("one?", reply, "two?"))

    assert second.token_ids[: len(computed)] == computed


def test_names_are_shown_for_several_users(starchat: LoadedCheckpoint) -> None:
    """With two users each turn starts with its speaker's name; answers never do."""
    prompt = build_for(
        starchat,
        user_turn("one?"),
        assistant_turn("two"),
        user_turn("three?", "Lin"),
        user_turn("four?", None),
    )

    assert decode_prompt(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\nAda: one?<|end|>\n<|assistant|>\ntwo<|end|>\n"
        "<|user|>\nLin: three?\n\nUser: four?<|end|>\n<|assistant|>"
    )


def test_single_user_has_no_name(starchat: LoadedCheckpoint) -> None:
    """A thread of one user shows no names, even for consecutive messages."""
    prompt = build_for(starchat, user_turn("one"), user_turn("two"))

    assert "<|user|>\none\n\ntwo<|end|>" in decode_prompt(starchat, prompt)


def test_name_is_one_short_line(starchat: LoadedCheckpoint) -> None:
    """A long name, or one with line breaks, cannot look like another user's turn."""
    prompt = build_for(starchat, user_turn("hi", "Ada:\n\nLin"), user_turn("yes", "x" * 200))

    assert "Ada: Lin: hi\n\n" + "x" * MAX_NAME_CHARACTERS + ": yes" in decode_prompt(
        starchat, prompt
    )


def test_empty_turns_are_skipped(starchat: LoadedCheckpoint) -> None:
    """Messages without text (an image, a deleted answer) are not counted."""
    prompt = build_for(
        starchat, user_turn("one"), assistant_turn(" "), user_turn("\n", "Lin"), user_turn("two")
    )

    assert "<|user|>\nAda: one\n\nAda: two<|end|>" in decode_prompt(starchat, prompt)
    assert prompt.dropped_turns == 0


def test_empty_question_is_kept(starchat: LoadedCheckpoint) -> None:
    """The turn that asks is in the prompt even if it is empty."""
    assert "<|user|>\n<|end|>\n<|assistant|>" in decode_prompt(
        starchat, build_for(starchat, user_turn(""))
    )


def test_prompt_never_starts_with_an_answer(starchat: LoadedCheckpoint) -> None:
    """Answers before the first question are skipped and not counted as dropped."""
    prompt = build_for(starchat, assistant_turn("Hello, I am here."), user_turn("one?"))

    assert "Hello" not in decode_prompt(starchat, prompt)
    assert prompt.dropped_turns == 0


def test_consecutive_answers_are_merged(starchat: LoadedCheckpoint) -> None:
    """If a question was deleted, its answer joins the one before: roles alternate."""
    prompt = build_for(
        starchat,
        user_turn("one?"),
        assistant_turn("two"),
        assistant_turn("three"),
        user_turn("four?"),
    )

    assert "<|assistant|>\ntwo\n\nthree<|end|>\n<|user|>" in decode_prompt(starchat, prompt)


def test_oldest_turns_are_dropped_first(small: LoadedCheckpoint) -> None:
    """The oldest turns are dropped whole and counted; the question stays."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 12 for n in range(9)))
    prompt = build_for(small, *turns, positions=512, max_new_tokens=64)
    text = decode_prompt(small, prompt)

    assert prompt.dropped_turns > 0
    assert prompt.dropped_turns % 2 == 0
    assert turns[-1].text in text
    assert [turn.text in text for turn in turns] == [n >= prompt.dropped_turns for n in range(9)]


def test_trimming_leaves_room_for_further_turns(small: LoadedCheckpoint) -> None:
    """One step drops so many turns that the next few questions need no further step."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 12 for n in range(9)))
    budget = 512 - 64

    assert len(build_for(small, *turns, positions=512, max_new_tokens=64).token_ids) <= 0.7 * budget


def test_long_question_keeps_turns_that_fit(small: LoadedCheckpoint) -> None:
    """If the question takes most of the budget, the newest turns still fill the rest."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 4 for n in range(8)), "{" * 330)
    prompt = build_for(small, *turns, positions=512, max_new_tokens=64)

    assert 0 < prompt.dropped_turns < 8
    assert len(prompt.token_ids) > 512 - 64 - 2 * total_cost(small, turns[0].text)


def test_merged_user_turns_are_dropped_one_by_one(small: LoadedCheckpoint) -> None:
    """A long talk among users is one message, yet only its oldest turns are dropped."""
    turns = [user_turn(f"message {n} " + "word " * 9, f"P{n % 3}", at=n) for n in range(20)]
    prompt = build_for(small, *turns, positions=512, max_new_tokens=64)
    text = decode_prompt(small, prompt)

    assert text.count("<|user|>") == 1
    assert 0 < prompt.dropped_turns < 19
    assert [turn.text in text for turn in turns] == [n >= prompt.dropped_turns for n in range(20)]


def test_long_turn_is_whole_if_it_fits(starchat: LoadedCheckpoint) -> None:
    """A question about a pasted file sees the whole file if the thread fits."""
    texts = ("\n".join(f"line {n}" for n in range(300)), "I see.", "Now add types.")
    prompt = build_for(
        starchat, *alternate_turns(*texts), positions=total_cost(starchat, *texts) + 256
    )

    assert texts[0] in decode_prompt(starchat, prompt)
    assert prompt.shortened_turns == 0


def test_long_older_turn_loses_its_middle(starchat: LoadedCheckpoint) -> None:
    """On overflow a long older turn is shortened, with a mark, before others are dropped."""
    texts = ("\n".join(f"line {n}" for n in range(300)), "I see.", "Is that long?")
    prompt = build_for(
        starchat, *alternate_turns(*texts), positions=total_cost(starchat, *texts) + 256 - 20
    )
    text = decode_prompt(starchat, prompt)

    assert prompt.shortened_turns == 1
    assert prompt.dropped_turns == 0
    assert OMISSION_MARK in text
    assert "\nline 0\nline 1\n" in text
    assert "\nline 299<|end|>" in text
    assert "I see." in text
    assert texts[-1] in text


def test_long_question_shortens_the_reply(starchat: LoadedCheckpoint) -> None:
    """A question above the budget is complete and gets a shorter reply."""
    question = "word " * 200
    window = total_cost(starchat, question) + MIN_NEW_TOKENS + 10
    prompt = build_for(starchat, *alternate_turns("one?", "two", question), positions=window)

    assert question in decode_prompt(starchat, prompt)
    assert MIN_NEW_TOKENS <= prompt.max_new_tokens < 256
    assert len(prompt.token_ids) + prompt.max_new_tokens == window
    assert prompt.dropped_turns == 2


def test_question_beyond_the_window_is_refused(starchat: LoadedCheckpoint) -> None:
    """It is not cut without the user's knowledge."""
    question = "word " * 200
    window = total_cost(starchat, question) + MIN_NEW_TOKENS - 10

    with pytest.raises(QuestionTooLongError):
        build_for(starchat, *alternate_turns("one?", "two", question), positions=window)


def test_longest_question_leaves_min_new_tokens(small: LoadedCheckpoint) -> None:
    """One letter more is refused."""
    budget = 512 - MIN_NEW_TOKENS
    longest = "{" * (budget - len(small.encoder.encode_messages(())) - 4)
    prompt = build_for(small, user_turn(longest), positions=512)

    assert (len(prompt.token_ids), prompt.max_new_tokens) == (budget, MIN_NEW_TOKENS)
    with pytest.raises(QuestionTooLongError):
        build_for(small, user_turn(longest + "{"), positions=512)


def test_reply_takes_at_most_half_of_the_window(small: LoadedCheckpoint) -> None:
    """A model with a small context window still has room for the question."""
    prompt = build_for(small, user_turn("hi"), positions=64)

    assert prompt.max_new_tokens == 32
    assert build_for(small, user_turn("hi"), positions=64, max_new_tokens=8).max_new_tokens == 8


def test_long_system_prompt_is_an_operator_error(
    small: LoadedCheckpoint,
) -> None:
    """It raises its own error: the user's question is not too long."""
    with pytest.raises(SystemPromptTooLongError, match=r"takes \d+ of 256 tokens"):
        build_for(small, user_turn("hi"), system="word " * 200, positions=512)


def test_other_models_have_the_same_rules(smollm: LoadedCheckpoint) -> None:
    """A model with its own chat template drops older turns in the same way."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 20 for n in range(21)))
    prompt = build_for(smollm, *turns, positions=512)
    text = decode_prompt(smollm, prompt)

    assert prompt.dropped_turns > 0
    assert turns[-1].text in text
    assert text.startswith("<|im_start|>system\n")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert len(prompt.token_ids) + prompt.max_new_tokens <= 512


def test_underestimated_template_overhead_still_fits(small: LoadedCheckpoint) -> None:
    """If later turns cost more than the estimate, more of the oldest are dropped."""
    source = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>"
        "{% if loop.index > 3 %}{{ 'and so on, ' * 3 }}{% endif %}{% endfor %}<|assistant|>"
    )
    encoder = ChatEncoder(small.tokenizer, ChatTemplate(source, {}))
    turns = alternate_turns(*(f"turn {n} " + "word " * 4 for n in range(9)))
    prompt = build_prompt(turns, encoder=encoder, system="", positions=350, max_new_tokens=64)

    assert prompt.dropped_turns > 0
    assert len(prompt.token_ids) + prompt.max_new_tokens <= 350
