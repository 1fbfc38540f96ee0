"""Steps of a smoke test: what a person does by hand, and what the bot must do then."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from slack_sdk.errors import SlackApiError

from bot.messages.content.json_fields import Json
from bot.slack.client import error_name, rate_limit_seconds
from bot.smoke.observer import Observer, Question, StepFailedError
from contract.language import Language
from contract.texts import describe_stop

LONG_REPLY_CHARACTERS: Final = 12_000
ELEMENT_CHARACTERS: Final = 3_000
MAX_RATE_LIMIT_CALLS: Final = 120
"""More calls than Slack allows of a Tier 3 method within a minute."""
STOPPED_WORDS: Final = tuple(
    describe_stop("\0").translate(language).partition("\0")[0] for language in Language
)
"""What the line below a stopped reply begins with, in each language."""
APPROVALS: Final = ("+1", "thumbsup")


@dataclass(slots=True)
class SmokeRun:
    """State of a run: where it takes place, and the messages that later steps build on."""

    observer: Observer
    channel: str
    latest: str
    """Timestamp of the latest message in the channel that belongs to no further step."""
    tell: Callable[[str], None]
    """Shows an instruction to the person."""
    first: Question | None = None
    direct: Question | None = None

    def ask(self, instruction: str, is_expected: Callable[[Json], bool]) -> Question:
        """Have the person write a new message in the channel; return it."""
        self.tell(instruction)
        question = self.observer.wait_for_question(self.channel, self.latest, is_expected)
        self.latest = question.ts
        return question

    def mentions_bot(self, message: Json) -> bool:
        """Whether a message mentions the bot."""
        return f"<@{self.observer.identity.user_id}>" in str(message.get("text"))


def check_mention(run: SmokeRun) -> str:
    """A mention in a channel is answered in its thread."""
    run.first = run.ask("In the channel, write: @StarChat What is a mutex?", run.mentions_bot)
    return _describe_reply(run.observer.wait_for_final(run.first))


def check_thread(run: SmokeRun) -> str:
    """A message in the thread is answered without a mention."""
    first = _require(run.first)
    run.tell("In the thread of that reply, write without a mention: And in Rust?")
    question = run.observer.wait_for_question(
        run.channel, first.ts, lambda raw: raw["user"] == first.user, first.ts
    )
    return _describe_reply(run.observer.wait_for_final(question))


def check_direct_message(run: SmokeRun) -> str:
    """A direct message is answered."""
    first = _require(run.first)
    run.tell("In a direct message to StarChat, write: What is a mutex?")
    observer = run.observer

    def find_question() -> Question | None:
        for channel in observer.list_direct_channels(first.user):
            answer = observer.web_client.conversations_history(
                channel=channel, oldest=first.ts, limit=1
            )
            for message in answer["messages"]:
                if message.get("user") == first.user:
                    return Question(channel, str(message["ts"]), message)
        return None

    run.direct = observer.wait_until(find_question, "no direct message was seen")
    return _describe_reply(observer.wait_for_final(run.direct))


def check_edit(run: SmokeRun) -> str:
    """An edited question is answered again, in the same message."""
    question = _require(run.direct)
    before = [raw["ts"] for raw in run.observer.read_reply(question)]
    run.tell("Edit the question of your direct message, and press the button if one appears.")
    edited_at = run.observer.wait_until(
        lambda: _read_edit_time(run, question), "the question was not edited"
    )
    after = run.observer.wait_for_final(question, lambda raw: _last_edit(raw) > float(edited_at))
    if after[0]["ts"] != before[0]:
        raise StepFailedError("the new reply is another message")
    return "answered in place"


def check_delete(run: SmokeRun) -> str:
    """A question that is deleted before its reply is complete takes the reply with it."""
    question = run.ask("In the channel, write: @StarChat Count from 1 to 500.", run.mentions_bot)
    run.tell("Delete that message before the reply is complete.")
    observer = run.observer

    def find_nothing() -> bool | None:
        is_deleted = not any(raw["ts"] == question.ts for raw in observer.read_channel(run.channel))
        return (is_deleted and not observer.read_reply(question)) or None

    observer.wait_until(find_nothing, "the message or its reply is still there")
    return "the reply is gone"


def check_stop(run: SmokeRun) -> str:
    """A press on Stop ends a reply, and the text so far stays."""
    question = run.ask(
        "In the channel, write: @StarChat Count from 1 to 500. Then press Stop.", run.mentions_bot
    )

    def find_stop() -> bool | None:
        thread = json.dumps(run.observer.read_thread(question), ensure_ascii=False)
        return any(words in thread for words in STOPPED_WORDS) or None

    run.observer.wait_until(find_stop, "no stopped reply was seen")
    return "stopped"


def check_file_in(run: SmokeRun) -> str:
    """A text file is read."""
    question = run.ask(
        "In the channel, attach a small text file and write: @StarChat What is in this file?",
        lambda raw: run.mentions_bot(raw) and bool(raw.get("files")),
    )
    reply = run.observer.wait_for_final(question)
    if str(question.message["files"][0].get("name")) not in json.dumps(reply, ensure_ascii=False):
        raise StepFailedError("the reply does not name the file")
    return "the reply names the file"


def check_file_out(run: SmokeRun) -> str:
    """Slack takes a file for a thread; it is deleted again."""
    first = _require(run.first)
    answer = run.observer.web_client.files_upload_v2(
        channel=run.channel,
        thread_ts=first.thread_ts,
        filename="smoke.txt",
        content="A file of the smoke test.\n",
    )
    run.observer.web_client.files_delete(file=str(answer["files"][0]["id"]))
    return "uploaded and deleted"


def check_long_reply(run: SmokeRun) -> str:
    """Slack takes a message of 12,000 signs in typed blocks; it is deleted again."""
    line = "x = 1  # a line of code\n"
    element = (line * ELEMENT_CHARACTERS)[:ELEMENT_CHARACTERS]
    elements = [
        {
            "type": "rich_text_preformatted",
            "language": "python",
            "elements": [{"type": "text", "text": element}],
        }
        for _ in range(LONG_REPLY_CHARACTERS // ELEMENT_CHARACTERS)
    ]
    client = run.observer.web_client
    answer = client.chat_postMessage(
        channel=run.channel,
        thread_ts=_require(run.first).thread_ts,
        text="A long message of the smoke test.",
        blocks=[{"type": "rich_text", "elements": elements}],
    )
    client.chat_delete(channel=run.channel, ts=str(answer["ts"]))
    return f"{LONG_REPLY_CHARACTERS} signs posted and deleted"


def check_vote(run: SmokeRun) -> str:
    """A reaction to a reply can be read."""
    first = _require(run.first)
    run.tell("Add a thumbs-up reaction to the first reply in the channel.")

    def find_reaction() -> bool | None:
        reactions = [one for raw in run.observer.read_reply(first) for one in _reactions(raw)]
        return any(str(one.get("name")).startswith(APPROVALS) for one in reactions) or None

    run.observer.wait_until(find_reaction, "no reaction was seen")
    return "reaction seen"


def check_reconnect(run: SmokeRun) -> str:
    """A question that was asked while the bot was away is answered later."""
    question = run.ask(
        "Stop the bot. In the channel, write: @StarChat What is a deadlock? Then start the bot.",
        run.mentions_bot,
    )
    return _describe_reply(run.observer.wait_for_final(question))


def check_rate_limit(run: SmokeRun) -> str:
    """Slack's answer to too many calls names the seconds to wait."""
    for number in range(1, MAX_RATE_LIMIT_CALLS + 1):
        try:
            run.observer.web_client.conversations_info(channel=run.channel)
        except SlackApiError as error:
            seconds = rate_limit_seconds(error)
            if seconds is None:
                raise
            return f"{error_name(error)} at call {number}, Retry-After {seconds:.0f} s"
    return f"no limit within {MAX_RATE_LIMIT_CALLS} calls"


STEPS: Final[dict[str, Callable[[SmokeRun], str]]] = {
    "mention": check_mention,
    "thread": check_thread,
    "direct-message": check_direct_message,
    "edit": check_edit,
    "delete": check_delete,
    "stop": check_stop,
    "file-in": check_file_in,
    "file-out": check_file_out,
    "long-reply": check_long_reply,
    "vote": check_vote,
    "reconnect": check_reconnect,
    "rate-limit": check_rate_limit,
}
"""All steps in their order; most build on the message of the first."""


def _require(question: Question | None) -> Question:
    if question is None:
        raise StepFailedError("an earlier step failed or was left out")
    return question


def _describe_reply(messages: list[Json]) -> str:
    return f"{len(messages)} message{'s' if len(messages) > 1 else ''}"


def _read_edit_time(run: SmokeRun, question: Question) -> str | None:
    answer = run.observer.web_client.conversations_replies(
        channel=question.channel, ts=question.thread_ts, limit=1
    )
    edited = answer["messages"][0].get("edited") or {}
    return str(edited["ts"]) if "ts" in edited else None


def _last_edit(raw: Json) -> float:
    return float((raw.get("edited") or {}).get("ts") or 0)


def _reactions(raw: Json) -> list[Json]:
    reactions = raw.get("reactions")
    return reactions if isinstance(reactions, list) else []
