"""Blocks of a question that the bot posts for a person."""

from collections.abc import Mapping
from typing import Any

from bot.messages.asks import texts
from bot.messages.asks.ask_request import AskKind, AskRequest
from bot.messages.asks.asked_message import build_text
from bot.messages.block_actions import SHARE_ACTION_ID
from contract.language import Language

Block = Mapping[str, Any]


def build_blocks(request: AskRequest, name: str, link: str, language: Language) -> list[Block]:
    """
    Return the blocks, in the language of the person called `name`.

    `link` leads to the message that the question is about. A private question has a button.
    """
    intro = {
        AskKind.ABOUT: texts.INTRO,
        AskKind.PRIVATE: texts.INTRO_PRIVATE if request.origin else texts.INTRO_DIRECT,
        AskKind.SHARED: texts.INTRO_SHARED,
    }[request.kind]
    values = {
        "name": build_text(name, is_bold=True),
        "message": build_text(texts.INTRO_LABEL.translate(language), link=link),
        "channel": {"type": "channel", "channel_id": request.origin},
    }
    question = request.asked_message.build_block(intro.translate(language), values)
    return [question, _build_button(request.origin, language)] if request.origin else [question]


def _build_button(origin: str, language: Language) -> Block:
    button = {
        "type": "button",
        "action_id": SHARE_ACTION_ID,
        "text": {"type": "plain_text", "text": texts.SHARE_BUTTON.translate(language)},
        "value": origin,
    }
    return {"type": "actions", "elements": [button]}
