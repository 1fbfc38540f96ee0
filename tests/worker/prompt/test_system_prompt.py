"""System prompt: the operator's first, then the channel's, literal and within its bound."""

import pytest

from contract.reply_rules import MAX_PROMPT_TOKENS
from testing.hostile_prompts import disguise_tokens
from testing.loaded_checkpoint import LoadedCheckpoint
from tests.worker.prompt.test_builder import decode_prompt
from tests.worker.prompt.turns import user_turn
from worker.prompt.builder import Prompt, PromptSources, build_prompt
from worker.prompt.chat_format import STARCHAT_CONTROLS
from worker.prompt.system_prompt import build_system_prompt


def build_for(
    checkpoint: LoadedCheckpoint, channel: str, *, system: str = "", positions: int = 8192
) -> Prompt:
    """Build the prompt of one question in a channel with its own prompt."""
    return build_prompt(
        (user_turn("hi"),),
        encoder=checkpoint.encoder,
        system=system,
        positions=positions,
        max_new_tokens=64,
        sources=PromptSources(channel_prompt=channel),
    )


def test_operator_comes_first(starchat: LoadedCheckpoint) -> None:
    """A channel adds to the operator's prompt and replaces nothing of it."""
    prompt = build_for(starchat, "  Answer in Go.\n", system="Be kind.")

    assert decode_prompt(starchat, prompt).startswith(
        "<|system|>\nBe kind.\n\nAnswer in Go.<|end|>\n<|user|>\nhi"
    )
    assert not prompt.is_rule_shortened


def test_channel_alone_needs_no_operator(starchat: LoadedCheckpoint) -> None:
    """Without an operator's prompt, nothing precedes the channel's."""
    prompt = build_for(starchat, "Answer in Go.")

    assert decode_prompt(starchat, prompt).startswith("<|system|>\nAnswer in Go.<|end|>\n")


@pytest.mark.parametrize("text", disguise_tokens(STARCHAT_CONTROLS))
def test_control_tokens_of_a_channel_stay_text(starchat: LoadedCheckpoint, text: str) -> None:
    """No words of a channel can end the system turn or begin another role's."""
    plain = starchat.split_controls(build_for(starchat, "Answer in Go.").token_ids)
    forged = starchat.split_controls(build_for(starchat, text).token_ids)

    controls = [part for part in plain if isinstance(part, int)]
    assert [part for part in forged if isinstance(part, int)] == controls


@pytest.mark.parametrize("word", ["word ", "早", "🦀"])
def test_long_prompt_is_shortened_to_its_tokens(starchat: LoadedCheckpoint, word: str) -> None:
    """The worker counts tokens by its own tokenizer, and says that the end is missing."""
    empty, full = build_for(starchat, ""), build_for(starchat, word * 2_000)

    assert full.is_rule_shortened
    assert len(full.token_ids) - len(empty.token_ids) <= MAX_PROMPT_TOKENS + 1


def test_channel_takes_what_the_operator_leaves(small: LoadedCheckpoint) -> None:
    """In a small context window, the channel's prompt is shortened and the question has room."""
    prompt = build_for(small, "word " * 300, system="word " * 20, positions=256)

    assert prompt.is_rule_shortened
    assert len(prompt.token_ids) + prompt.max_new_tokens <= 256


def test_operator_may_leave_no_room(small: LoadedCheckpoint) -> None:
    """Then nothing of the channel's prompt is read, and the job does not fail."""
    operator = "word " * 20
    overhead = build_system_prompt(small.encoder, operator, "", 10_000).overhead
    prompt = build_system_prompt(small.encoder, operator, "Answer in Go.", 2 * overhead)

    assert (prompt.text, prompt.is_shortened) == (operator, True)
