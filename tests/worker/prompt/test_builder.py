"""What the model reads of a thread: everything while it fits, then the newest of it."""

import pytest

from contract.conversation import Turn
from testing.loaded_checkpoint import LoadedCheckpoint
from tests.worker.prompt.turns import alternate_turns, assistant_turn, user_turn
from worker.errors import QuestionTooLongError
from worker.prompt.builder import (
    MAX_NAME_CHARACTERS,
    MIN_NEW_TOKENS,
    OMISSION_MARK,
    Prompt,
    SystemPromptTooLongError,
    build_prompt,
)
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_template import ChatTemplate


def build_for(checkpoint: LoadedCheckpoint, *turns: Turn, **options: object) -> Prompt:
    """Build a prompt, for StarChat's window unless told otherwise."""
    given = {"system": "", "positions": 8192, "max_new_tokens": 256} | options
    return build_prompt(turns, encoder=checkpoint.encoder, **given)  # type: ignore[arg-type]


def total_cost(checkpoint: LoadedCheckpoint, *texts: str) -> int:
    """Return about how many tokens a conversation of these texts takes."""
    return sum(map(checkpoint.encoder.token_cost, texts)) + 4


def decode_prompt(checkpoint: LoadedCheckpoint, prompt: Prompt) -> str:
    """Return a prompt as text, control tokens spelled."""
    return "".join(map(checkpoint.describe_part, checkpoint.split_controls(prompt.token_ids)))


def test_a_question_alone_is_the_card_s_form(starchat: LoadedCheckpoint) -> None:
    """The first question is laid out as on the card, and the reply may be as long as asked."""
    prompt = build_for(starchat, user_turn("How do I reverse a list?"))

    assert decode_prompt(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\nHow do I reverse a list?<|end|>\n<|assistant|>"
    )
    assert (prompt.dropped_turns, prompt.max_new_tokens, prompt.shortened_turns) == (0, 256, 0)


def test_further_turns_follow_in_the_same_form(starchat: LoadedCheckpoint) -> None:
    """Each finished turn is closed, answers are verbatim, and the system prompt stands first."""
    prompt = build_for(
        starchat, *alternate_turns("one?", " two\n```\nx\n```", "three?"), system="Be kind."
    )

    assert decode_prompt(starchat, prompt) == (
        "<|system|>\nBe kind.<|end|>\n<|user|>\none?<|end|>\n"
        "<|assistant|>\n two\n```\nx\n```<|end|>\n<|user|>\nthree?<|end|>\n<|assistant|>"
    )


@pytest.mark.parametrize(("generated", "read_again"), [("\ntwo", "two"), ("\n\ntwo", "\ntwo")])
def test_the_line_break_that_the_model_wrote_is_the_form_s(
    starchat: LoadedCheckpoint, generated: str, read_again: str
) -> None:
    """A reply as it was generated begins with it; what a person writes is left as it is."""
    prompt = build_for(starchat, *alternate_turns("\none?", generated, "three?"))

    assert decode_prompt(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\n\none?<|end|>\n"
        f"<|assistant|>\n{read_again}<|end|>\n<|user|>\nthree?<|end|>\n<|assistant|>"
    )


def test_the_next_prompt_begins_with_all_that_the_engine_has_computed(
    checkpoint: LoadedCheckpoint,
) -> None:
    """The first prompt and the reply's own ids: nothing of them is read again."""
    first = build_for(checkpoint, user_turn("one?"))
    tokenizer = checkpoint.encoder.tokenizer
    # Where the prompt ends with a control token, the model writes the line break behind it.
    opened = first.token_ids[-1] in {control.id for control in tokenizer.control_tokens.values()}
    form = "\n" if opened else ""
    reply = f"{form}Use a slice:\n\n```python\nitems[::-1]\n```\nÄ 🎉"
    computed = first.token_ids + tuple(tokenizer.encode(reply))

    second = build_for(checkpoint, *alternate_turns("one?", reply, "two?"))

    assert second.token_ids[: len(computed)] == computed


def test_names_say_who_spoke_where_several_do(starchat: LoadedCheckpoint) -> None:
    """With two people each turn begins with its speaker's name; our own turns never do."""
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


def test_one_person_needs_no_name(starchat: LoadedCheckpoint) -> None:
    """A thread of one person shows no names, also where messages follow one another."""
    prompt = build_for(starchat, user_turn("one"), user_turn("two"))

    assert "<|user|>\none\n\ntwo<|end|>" in decode_prompt(starchat, prompt)


def test_a_name_is_one_short_line(starchat: LoadedCheckpoint) -> None:
    """A name with line breaks or without end cannot look like a turn of somebody else."""
    prompt = build_for(starchat, user_turn("hi", "Ada:\n\nLin"), user_turn("yes", "x" * 200))

    assert "Ada: Lin: hi\n\n" + "x" * MAX_NAME_CHARACTERS + ": yes" in decode_prompt(
        starchat, prompt
    )


def test_empty_turns_are_passed_over(starchat: LoadedCheckpoint) -> None:
    """Messages without text (a picture, a deleted answer) take no place; they are not counted."""
    prompt = build_for(
        starchat, user_turn("one"), assistant_turn(" "), user_turn("\n", "Lin"), user_turn("two")
    )

    assert "<|user|>\nAda: one\n\nAda: two<|end|>" in decode_prompt(starchat, prompt)
    assert prompt.dropped_turns == 0


def test_an_empty_question_is_still_a_question(starchat: LoadedCheckpoint) -> None:
    """The turn that asks is read even if it is empty."""
    assert "<|user|>\n<|end|>\n<|assistant|>" in decode_prompt(
        starchat, build_for(starchat, user_turn(""))
    )


def test_a_thread_never_begins_with_an_answer(starchat: LoadedCheckpoint) -> None:
    """What we said before anybody asked is passed over, and is not counted as left out."""
    prompt = build_for(starchat, assistant_turn("Hello, I am here."), user_turn("one?"))

    assert "Hello" not in decode_prompt(starchat, prompt)
    assert prompt.dropped_turns == 0


def test_answers_in_a_row_are_one(starchat: LoadedCheckpoint) -> None:
    """Where a question was deleted its answer joins the one before: sides always alternate."""
    prompt = build_for(
        starchat,
        user_turn("one?"),
        assistant_turn("two"),
        assistant_turn("three"),
        user_turn("four?"),
    )

    assert "<|assistant|>\ntwo\n\nthree<|end|>\n<|user|>" in decode_prompt(starchat, prompt)


def test_older_turns_go_when_the_room_is_full(small: LoadedCheckpoint) -> None:
    """The oldest turns are left out whole and counted; the newest and the question stay."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 12 for n in range(9)))
    prompt = build_for(small, *turns, positions=512, max_new_tokens=64)
    text = decode_prompt(small, prompt)

    assert prompt.dropped_turns > 0
    assert prompt.dropped_turns % 2 == 0
    assert turns[-1].text in text
    assert [turn.text in text for turn in turns] == [n >= prompt.dropped_turns for n in range(9)]


def test_a_step_leaves_room_for_further_turns(small: LoadedCheckpoint) -> None:
    """When turns are left out, so many go that the next few questions need no further step."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 12 for n in range(9)))
    room = 512 - 64

    assert len(build_for(small, *turns, positions=512, max_new_tokens=64).token_ids) <= 0.7 * room


def test_a_long_question_keeps_what_fits_beside_it(small: LoadedCheckpoint) -> None:
    """Where the question alone takes most of the room, the newest turns still fill the rest."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 4 for n in range(8)), "{" * 330)
    prompt = build_for(small, *turns, positions=512, max_new_tokens=64)

    assert 0 < prompt.dropped_turns < 8
    assert len(prompt.token_ids) > 512 - 64 - 2 * total_cost(small, turns[0].text)


def test_people_s_talk_before_the_mention_is_left_out_turn_by_turn(small: LoadedCheckpoint) -> None:
    """A long talk among people is one message to the model, yet only its oldest turns go."""
    turns = [user_turn(f"message {n} " + "word " * 9, f"P{n % 3}", at=n) for n in range(20)]
    prompt = build_for(small, *turns, positions=512, max_new_tokens=64)
    text = decode_prompt(small, prompt)

    assert text.count("<|user|>") == 1
    assert 0 < prompt.dropped_turns < 19
    assert [turn.text in text for turn in turns] == [n >= prompt.dropped_turns for n in range(20)]


def test_a_long_paste_is_read_whole_while_there_is_room(starchat: LoadedCheckpoint) -> None:
    """A follow-up about a pasted file sees the whole file, however long, while all of it fits."""
    texts = ("\n".join(f"line {n}" for n in range(300)), "I see.", "Now add types.")
    prompt = build_for(
        starchat, *alternate_turns(*texts), positions=total_cost(starchat, *texts) + 256
    )

    assert texts[0] in decode_prompt(starchat, prompt)
    assert prompt.shortened_turns == 0


def test_a_long_older_turn_cannot_eat_the_window(starchat: LoadedCheckpoint) -> None:
    """When room is short a long older turn loses its middle, visibly, before other turns go."""
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


def test_a_question_may_shorten_the_reply_but_is_never_cut(starchat: LoadedCheckpoint) -> None:
    """A question that needs more than its room gets a shorter reply; not one letter is lost."""
    question = "word " * 200
    window = total_cost(starchat, question) + MIN_NEW_TOKENS + 10
    prompt = build_for(starchat, *alternate_turns("one?", "two", question), positions=window)

    assert question in decode_prompt(starchat, prompt)
    assert MIN_NEW_TOKENS <= prompt.max_new_tokens < 256
    assert len(prompt.token_ids) + prompt.max_new_tokens == window
    assert prompt.dropped_turns == 2


def test_a_question_too_long_for_the_window_is_refused(starchat: LoadedCheckpoint) -> None:
    """Rather than cutting it behind the asker's back, we say that it is too long."""
    question = "word " * 200
    window = total_cost(starchat, question) + MIN_NEW_TOKENS - 10

    with pytest.raises(QuestionTooLongError):
        build_for(starchat, *alternate_turns("one?", "two", question), positions=window)


def test_the_longest_question_leaves_the_least_reply(small: LoadedCheckpoint) -> None:
    """One letter more than the longest question is too long; the longest has its reply."""
    room = 512 - MIN_NEW_TOKENS
    longest = "{" * (room - len(small.encoder.encode_messages(())) - 4)
    prompt = build_for(small, user_turn(longest), positions=512)

    assert (len(prompt.token_ids), prompt.max_new_tokens) == (room, MIN_NEW_TOKENS)
    with pytest.raises(QuestionTooLongError):
        build_for(small, user_turn(longest + "{"), positions=512)


def test_a_reply_takes_at_most_half_of_the_window(small: LoadedCheckpoint) -> None:
    """A model with a small window still has room for the question."""
    prompt = build_for(small, user_turn("hi"), positions=64)

    assert prompt.max_new_tokens == 32
    assert build_for(small, user_turn("hi"), positions=64, max_new_tokens=8).max_new_tokens == 8


def test_a_system_prompt_that_fills_the_window_is_the_operator_s_error(
    small: LoadedCheckpoint,
) -> None:
    """It is refused as such: the person who asks is not told that the question was too long."""
    with pytest.raises(SystemPromptTooLongError, match=r"takes \d+ of 256 tokens"):
        build_for(small, user_turn("hi"), system="word " * 200, positions=512)


def test_other_models_lose_older_turns_in_the_same_way(smollm: LoadedCheckpoint) -> None:
    """A model with a template of its own has the same rules."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 20 for n in range(21)))
    prompt = build_for(smollm, *turns, positions=512)
    text = decode_prompt(smollm, prompt)

    assert prompt.dropped_turns > 0
    assert turns[-1].text in text
    assert text.startswith("<|im_start|>system\n")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert len(prompt.token_ids) + prompt.max_new_tokens <= 512


def test_a_template_that_grows_more_than_it_seemed_still_fits(small: LoadedCheckpoint) -> None:
    """Where later turns cost more than the first ones promised, more of the oldest go."""
    source = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>"
        "{% if loop.index > 3 %}{{ 'and so on, ' * 3 }}{% endif %}{% endfor %}<|assistant|>"
    )
    dialogue = ChatEncoder(small.tokenizer, ChatTemplate(source, {}))
    turns = alternate_turns(*(f"turn {n} " + "word " * 4 for n in range(9)))
    prompt = build_prompt(turns, encoder=dialogue, system="", positions=350, max_new_tokens=64)

    assert prompt.dropped_turns > 0
    assert len(prompt.token_ids) + prompt.max_new_tokens <= 350
