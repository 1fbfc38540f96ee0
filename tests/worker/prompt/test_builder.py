"""What the model reads of a thread: everything while it fits, then the newest of it."""

import pytest

from contract.conversation import Turn
from testing.loaded_checkpoint import LoadedCheckpoint
from tests.worker.prompt.turns import alternate_turns, assistant_turn, user_turn
from worker.errors import QuestionTooLongError
from worker.prompt.builder import LEAST_NEW, MARK, NAME, Prompt, SystemPromptError, build
from worker.prompt.chat_encoder import Dialogue
from worker.prompt.chat_template import ChatTemplate


def built(checkpoint: LoadedCheckpoint, *turns: Turn, **options: object) -> Prompt:
    """Build a prompt, for StarChat's window unless told otherwise."""
    given = {"system": "", "positions": 8192, "max_new_tokens": 256} | options
    return build(turns, dialogue=checkpoint.encoder, **given)  # type: ignore[arg-type]


def cost(checkpoint: LoadedCheckpoint, *texts: str) -> int:
    """Return about how many tokens a conversation of these texts takes."""
    return sum(map(checkpoint.encoder.cost, texts)) + 4


def read(checkpoint: LoadedCheckpoint, prompt: Prompt) -> str:
    """Return a prompt as text, control tokens spelled."""
    return "".join(map(checkpoint.describe_part, checkpoint.split_controls(prompt.ids)))


def test_a_question_alone_is_the_card_s_form(starchat: LoadedCheckpoint) -> None:
    """The first question is laid out as on the card, and the reply may be as long as asked."""
    prompt = built(starchat, user_turn("How do I reverse a list?"))

    assert read(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\nHow do I reverse a list?<|end|>\n<|assistant|>"
    )
    assert (prompt.dropped, prompt.max_new_tokens, prompt.shortened) == (0, 256, 0)


def test_further_turns_follow_in_the_same_form(starchat: LoadedCheckpoint) -> None:
    """Each finished turn is closed, answers are verbatim, and the system prompt stands first."""
    prompt = built(
        starchat, *alternate_turns("one?", " two\n```\nx\n```", "three?"), system="Be kind."
    )

    assert read(starchat, prompt) == (
        "<|system|>\nBe kind.<|end|>\n<|user|>\none?<|end|>\n"
        "<|assistant|>\n two\n```\nx\n```<|end|>\n<|user|>\nthree?<|end|>\n<|assistant|>"
    )


@pytest.mark.parametrize(("generated", "read_again"), [("\ntwo", "two"), ("\n\ntwo", "\ntwo")])
def test_the_line_break_that_the_model_wrote_is_the_form_s(
    starchat: LoadedCheckpoint, generated: str, read_again: str
) -> None:
    """A reply as it was generated begins with it; what a person writes is left as it is."""
    prompt = built(starchat, *alternate_turns("\none?", generated, "three?"))

    assert read(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\n\none?<|end|>\n"
        f"<|assistant|>\n{read_again}<|end|>\n<|user|>\nthree?<|end|>\n<|assistant|>"
    )


def test_the_next_prompt_begins_with_all_that_the_engine_has_computed(
    checkpoint: LoadedCheckpoint,
) -> None:
    """The first prompt and the reply's own ids: nothing of them is read again."""
    first = built(checkpoint, user_turn("one?"))
    tokenizer = checkpoint.encoder.tokenizer
    # Where the prompt ends with a control token, the model writes the line break behind it.
    opened = first.ids[-1] in {control.id for control in tokenizer.controls.values()}
    form = "\n" if opened else ""
    reply = f"{form}Use a slice:\n\n```python\nitems[::-1]\n```\nÄ 🎉"
    computed = first.ids + tuple(tokenizer.encode(reply))

    second = built(checkpoint, *alternate_turns("one?", reply, "two?"))

    assert second.ids[: len(computed)] == computed


def test_names_say_who_spoke_where_several_do(starchat: LoadedCheckpoint) -> None:
    """With two people each turn begins with its speaker's name; our own turns never do."""
    prompt = built(
        starchat,
        user_turn("one?"),
        assistant_turn("two"),
        user_turn("three?", "Lin"),
        user_turn("four?", None),
    )

    assert read(starchat, prompt) == (
        "<|system|>\n<|end|>\n<|user|>\nAda: one?<|end|>\n<|assistant|>\ntwo<|end|>\n"
        "<|user|>\nLin: three?\n\nSomebody: four?<|end|>\n<|assistant|>"
    )


def test_one_person_needs_no_name(starchat: LoadedCheckpoint) -> None:
    """A thread of one person shows no names, also where messages follow one another."""
    prompt = built(starchat, user_turn("one"), user_turn("two"))

    assert "<|user|>\none\n\ntwo<|end|>" in read(starchat, prompt)


def test_a_name_is_one_short_line(starchat: LoadedCheckpoint) -> None:
    """A name with line breaks or without end cannot look like a turn of somebody else."""
    prompt = built(starchat, user_turn("hi", "Ada:\n\nLin"), user_turn("yes", "x" * 200))

    assert "Ada: Lin: hi\n\n" + "x" * NAME + ": yes" in read(starchat, prompt)


def test_empty_turns_are_passed_over(starchat: LoadedCheckpoint) -> None:
    """Messages without text (a picture, a deleted answer) take no place; they are not counted."""
    prompt = built(
        starchat, user_turn("one"), assistant_turn(" "), user_turn("\n", "Lin"), user_turn("two")
    )

    assert "<|user|>\nAda: one\n\nAda: two<|end|>" in read(starchat, prompt)
    assert prompt.dropped == 0


def test_an_empty_question_is_still_a_question(starchat: LoadedCheckpoint) -> None:
    """The turn that asks is read even if it is empty."""
    assert "<|user|>\n<|end|>\n<|assistant|>" in read(starchat, built(starchat, user_turn("")))


def test_a_thread_never_begins_with_an_answer(starchat: LoadedCheckpoint) -> None:
    """What we said before anybody asked is passed over, and is not counted as left out."""
    prompt = built(starchat, assistant_turn("Hello, I am here."), user_turn("one?"))

    assert "Hello" not in read(starchat, prompt)
    assert prompt.dropped == 0


def test_answers_in_a_row_are_one(starchat: LoadedCheckpoint) -> None:
    """Where a question was deleted its answer joins the one before: sides always alternate."""
    prompt = built(
        starchat,
        user_turn("one?"),
        assistant_turn("two"),
        assistant_turn("three"),
        user_turn("four?"),
    )

    assert "<|assistant|>\ntwo\n\nthree<|end|>\n<|user|>" in read(starchat, prompt)


def test_older_turns_go_when_the_room_is_full(small: LoadedCheckpoint) -> None:
    """The oldest turns are left out whole and counted; the newest and the question stay."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 12 for n in range(9)))
    prompt = built(small, *turns, positions=512, max_new_tokens=64)
    text = read(small, prompt)

    assert prompt.dropped > 0
    assert prompt.dropped % 2 == 0
    assert turns[-1].text in text
    assert [turn.text in text for turn in turns] == [n >= prompt.dropped for n in range(9)]


def test_a_step_leaves_room_for_further_turns(small: LoadedCheckpoint) -> None:
    """When turns are left out, so many go that the next few questions need no further step."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 12 for n in range(9)))
    room = 512 - 64

    assert len(built(small, *turns, positions=512, max_new_tokens=64).ids) <= 0.7 * room


def test_a_long_question_keeps_what_fits_beside_it(small: LoadedCheckpoint) -> None:
    """Where the question alone takes most of the room, the newest turns still fill the rest."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 4 for n in range(8)), "{" * 330)
    prompt = built(small, *turns, positions=512, max_new_tokens=64)

    assert 0 < prompt.dropped < 8
    assert len(prompt.ids) > 512 - 64 - 2 * cost(small, turns[0].text)


def test_people_s_talk_before_the_mention_is_left_out_turn_by_turn(small: LoadedCheckpoint) -> None:
    """A long talk among people is one message to the model, yet only its oldest turns go."""
    turns = [user_turn(f"message {n} " + "word " * 9, f"P{n % 3}", at=n) for n in range(20)]
    prompt = built(small, *turns, positions=512, max_new_tokens=64)
    text = read(small, prompt)

    assert text.count("<|user|>") == 1
    assert 0 < prompt.dropped < 19
    assert [turn.text in text for turn in turns] == [n >= prompt.dropped for n in range(20)]


def test_a_long_paste_is_read_whole_while_there_is_room(starchat: LoadedCheckpoint) -> None:
    """A follow-up about a pasted file sees the whole file, however long, while all of it fits."""
    texts = ("\n".join(f"line {n}" for n in range(300)), "I see.", "Now add types.")
    prompt = built(starchat, *alternate_turns(*texts), positions=cost(starchat, *texts) + 256)

    assert texts[0] in read(starchat, prompt)
    assert prompt.shortened == 0


def test_a_long_older_turn_cannot_eat_the_window(starchat: LoadedCheckpoint) -> None:
    """When room is short a long older turn loses its middle, visibly, before other turns go."""
    texts = ("\n".join(f"line {n}" for n in range(300)), "I see.", "Is that long?")
    prompt = built(starchat, *alternate_turns(*texts), positions=cost(starchat, *texts) + 256 - 20)
    text = read(starchat, prompt)

    assert prompt.shortened == 1
    assert prompt.dropped == 0
    assert MARK in text
    assert "\nline 0\nline 1\n" in text
    assert "\nline 299<|end|>" in text
    assert "I see." in text
    assert texts[-1] in text


def test_a_question_may_shorten_the_reply_but_is_never_cut(starchat: LoadedCheckpoint) -> None:
    """A question that needs more than its room gets a shorter reply; not one letter is lost."""
    question = "word " * 200
    window = cost(starchat, question) + LEAST_NEW + 10
    prompt = built(starchat, *alternate_turns("one?", "two", question), positions=window)

    assert question in read(starchat, prompt)
    assert LEAST_NEW <= prompt.max_new_tokens < 256
    assert len(prompt.ids) + prompt.max_new_tokens == window
    assert prompt.dropped == 2


def test_a_question_too_long_for_the_window_is_refused(starchat: LoadedCheckpoint) -> None:
    """Rather than cutting it behind the asker's back, we say that it is too long."""
    question = "word " * 200
    window = cost(starchat, question) + LEAST_NEW - 10

    with pytest.raises(QuestionTooLongError):
        built(starchat, *alternate_turns("one?", "two", question), positions=window)


def test_the_longest_question_leaves_the_least_reply(small: LoadedCheckpoint) -> None:
    """One letter more than the longest question is too long; the longest has its reply."""
    room = 512 - LEAST_NEW
    longest = "{" * (room - len(small.encoder.ids(())) - 4)
    prompt = built(small, user_turn(longest), positions=512)

    assert (len(prompt.ids), prompt.max_new_tokens) == (room, LEAST_NEW)
    with pytest.raises(QuestionTooLongError):
        built(small, user_turn(longest + "{"), positions=512)


def test_a_reply_takes_at_most_half_of_the_window(small: LoadedCheckpoint) -> None:
    """A model with a small window still has room for the question."""
    prompt = built(small, user_turn("hi"), positions=64)

    assert prompt.max_new_tokens == 32
    assert built(small, user_turn("hi"), positions=64, max_new_tokens=8).max_new_tokens == 8


def test_a_system_prompt_that_fills_the_window_is_the_operator_s_error(
    small: LoadedCheckpoint,
) -> None:
    """It is refused as such: the person who asks is not told that the question was too long."""
    with pytest.raises(SystemPromptError, match=r"takes \d+ of 256 tokens"):
        built(small, user_turn("hi"), system="word " * 200, positions=512)


def test_other_models_lose_older_turns_in_the_same_way(smollm: LoadedCheckpoint) -> None:
    """A model with a template of its own has the same rules."""
    turns = alternate_turns(*(f"turn {n} " + "word " * 20 for n in range(21)))
    prompt = built(smollm, *turns, positions=512)
    text = read(smollm, prompt)

    assert prompt.dropped > 0
    assert turns[-1].text in text
    assert text.startswith("<|im_start|>system\n")
    assert text.endswith("<|im_end|>\n<|im_start|>assistant\n")
    assert len(prompt.ids) + prompt.max_new_tokens <= 512


def test_a_template_that_grows_more_than_it_seemed_still_fits(small: LoadedCheckpoint) -> None:
    """Where later turns cost more than the first ones promised, more of the oldest go."""
    source = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>"
        "{% if loop.index > 3 %}{{ 'and so on, ' * 3 }}{% endif %}{% endfor %}<|assistant|>"
    )
    dialogue = Dialogue(small.tokenizer, ChatTemplate(source, {}))
    turns = alternate_turns(*(f"turn {n} " + "word " * 4 for n in range(9)))
    prompt = build(turns, dialogue=dialogue, system="", positions=350, max_new_tokens=64)

    assert prompt.dropped > 0
    assert len(prompt.ids) + prompt.max_new_tokens <= 350
