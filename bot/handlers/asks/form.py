"""Form of a question: the modal of the message shortcut, and what a person submits."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from bot.messages.admission import Verdict, parse_command
from bot.messages.asks import texts
from bot.messages.asks.ask_request import AskKind, AskRequest
from bot.messages.asks.asked_message import MAX_QUESTION_CHARACTERS
from bot.messages.content.json_fields import get_mapping, get_text
from bot.messages.message import BotIdentity, Message
from bot.messages.mrkdwn import escape_text, replace_surrogates
from bot.texts import context_blocks, section_block
from contract.job import SLACK_ID_PATTERN, Thread
from contract.language import Language, Phrase, Translatable
from contract.masking import mask_secrets

ASK_CALLBACK_ID: Final = "ask_about_message"
"""`callback_id` of the shortcut in the manifest, and of its modal."""
BLOCK_ID: Final = "question"
ACTION_ID: Final = "value"
MAX_METADATA_CHARACTERS: Final = 200
MAX_PREFILL_SOURCE: Final = 20_000
"""Characters of a message in which the form looks for code and errors."""
ERROR_WORDS: Final = re.compile(r"traceback|exception|\bpanic\b|segfault|stack ?trace|error\b")
UNREADABLE_ERRORS: Final = (ValidationError, LookupError, TypeError, ValueError, AttributeError)

View = dict[str, Any]


class BadFormError(ValueError):
    """The payload is not one of a form that this bot has opened. Quotes nothing."""


class ShortcutUsed(NamedTuple):
    """Message shortcut of `user` on the message `about` in `thread`."""

    thread: Thread
    about: str
    user: str
    user_team: str
    trigger_id: str
    prefill: Phrase


class AskSubmission(NamedTuple):
    """Submitted form of `user`; `question` may be empty or too long."""

    request_id: str
    thread: Thread
    about: str
    user: str
    user_team: str
    question: str

    def to_request(self) -> AskRequest:
        """Return the request. Raises `BadFormError` if a field is malformed."""
        try:
            return AskRequest(
                id=self.request_id,
                kind=AskKind.ABOUT,
                team=self.thread.team,
                channel=self.thread.channel,
                thread_ts=self.thread.ts,
                about=self.about,
                user=self.user,
                user_team=self.user_team,
                question=self.question,
            )
        except ValidationError:
            raise BadFormError from None


def parse_shortcut(body: Mapping[str, Any], identity: BotIdentity) -> ShortcutUsed:
    """Parse a `message_action` body. Raises `BadFormError`."""
    try:
        raw = get_mapping(body, "message")
        about = body.get("message_ts") or raw["ts"]
        root = raw.get("thread_ts") or about
        user, user_team = _read_user(body)
        message = Message.from_slack(dict(raw), identity)
        return ShortcutUsed(
            Thread(team=identity.team, channel=body["channel"]["id"], ts=root),
            Thread(team=identity.team, channel="C0", ts=about).ts,
            user,
            user_team,
            get_text(body, "trigger_id"),
            suggest_question("" if message is None else message.all_text),
        )
    except UNREADABLE_ERRORS:
        raise BadFormError from None


def parse_submission(body: Mapping[str, Any], identity: BotIdentity) -> AskSubmission:
    """Parse a `view_submission` body. Raises `BadFormError`."""
    try:
        view = body["view"]
        metadata = view["private_metadata"]
        if len(metadata) > MAX_METADATA_CHARACTERS:
            raise BadFormError
        channel, root, about = json.loads(metadata)
        typed = view["state"]["values"][BLOCK_ID][ACTION_ID]["value"]
        user, user_team = _read_user(body)
        thread = Thread(team=identity.team, channel=channel, ts=root)
        question = mask_secrets(replace_surrogates(str(typed or "")).strip())
        return AskSubmission(str(view["id"]), thread, str(about), user, user_team, question)
    except UNREADABLE_ERRORS:
        raise BadFormError from None


def find_fault(question: str, identity: BotIdentity) -> Phrase | None:
    """Return the sentence about a question that cannot be posted; `None` if it can."""
    if len(question) > MAX_QUESTION_CHARACTERS:
        return texts.QUESTION_TOO_LONG
    is_empty = parse_command(escape_text(question), identity) is Verdict.EMPTY
    return texts.NO_QUESTION if is_empty else None


def suggest_question(text: str) -> Phrase:
    """Return the question that a form about a message begins with."""
    text = text[:MAX_PREFILL_SOURCE]
    if ERROR_WORDS.search(text.casefold()):
        return texts.EXPLAIN_ERROR
    return texts.EXPLAIN_CODE if "```" in text else texts.EXPLAIN_MESSAGE


def build_form(used: ShortcutUsed, language: Language) -> View:
    """Return the modal for a message."""
    element = {
        "type": "plain_text_input",
        "action_id": ACTION_ID,
        "multiline": True,
        "max_length": MAX_QUESTION_CHARACTERS,
        "initial_value": used.prefill.translate(language),
        "focus_on_load": True,
    }
    label = _plain_text(texts.FORM_LABEL, language)
    return {
        "type": "modal",
        "callback_id": ASK_CALLBACK_ID,
        "private_metadata": json.dumps([used.thread.channel, used.thread.ts, used.about]),
        "title": _plain_text(texts.FORM_TITLE, language),
        "submit": _plain_text(texts.FORM_SUBMIT, language),
        "close": _plain_text(texts.FORM_CLOSE, language),
        "blocks": [
            {"type": "input", "block_id": BLOCK_ID, "label": label, "element": element},
            *context_blocks(texts.FORM_NOTE.translate(language)),
        ],
    }


def build_message_form(sentence: Translatable, language: Language) -> View:
    """Return a modal with a sentence and no input."""
    text = sentence.translate(language)
    title = _plain_text(texts.FORM_TITLE, language)
    return {"type": "modal", "title": title, "blocks": [section_block(text)]}


def _read_user(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return the user of a payload and the user's team. Raises one of `UNREADABLE_ERRORS`."""
    user = body["user"]["id"]
    user_team = body["user"].get("team_id") or body["team"]["id"]
    if not (re.fullmatch(SLACK_ID_PATTERN, user) and re.fullmatch(SLACK_ID_PATTERN, user_team)):
        raise BadFormError
    return user, user_team


def _plain_text(phrase: Phrase, language: Language) -> dict[str, str]:
    return {"type": "plain_text", "text": phrase.translate(language)}
