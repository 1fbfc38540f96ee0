"""System prompt of a job: the operator's first, then the channel's, shortened to its bound."""

from typing import Final, NamedTuple

from contract.conversation import Speaker
from contract.reply_rules import MAX_PROMPT_TOKENS
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message

SEPARATOR: Final = "\n\n"
"""Separates the operator's prompt from the channel's."""
SPARE_TOKENS: Final = 8
"""Tokens by which a joined text may exceed the sum of its parts."""


class SystemPromptTooLongError(ValueError):
    """The system prompt leaves no room for a conversation; the operator must shorten it."""


class SystemPrompt(NamedTuple):
    """
    A system prompt, and the tokens that surround every conversation, it included.

    `is_shortened` is whether the end of the channel's prompt was left out.
    """

    text: str
    overhead: int
    is_shortened: bool = False


def build_system_prompt(
    encoder: ChatEncoder, operator: str, channel: str, budget: int
) -> SystemPrompt:
    """
    Join the operator's system prompt and the channel's; together they use half of the budget.

    Raises `SystemPromptTooLongError` if the operator's uses more than that. The channel's is
    shortened to what is left, and to `MAX_PROMPT_TOKENS`.
    """
    overhead = _count_overhead(encoder, operator)
    if overhead > budget // 2:
        raise SystemPromptTooLongError(f"the system prompt takes {overhead} of {budget} tokens")
    channel = channel.strip()
    if not channel:
        return SystemPrompt(operator, overhead)
    left = min(MAX_PROMPT_TOKENS, max(0, budget // 2 - overhead - SPARE_TOKENS))
    _, length = encoder.tokenizer.measure_head(channel, left)
    text = SEPARATOR.join(filter(None, (operator, channel[:length].rstrip())))
    return SystemPrompt(text, _count_overhead(encoder, text), length < len(channel))


def _count_overhead(encoder: ChatEncoder, system: str) -> int:
    messages = (Message(Speaker.USER, ""),)
    return len(encoder.encode_messages(messages, system)) - encoder.token_cost("")
