"""
Asked message: a question that the bot has posted for a person.

Its block names the person. Only the bot's token can write such a block into a message of the bot,
and Slack returns it with every event and page, unlike metadata.
"""

import contextlib
import re
from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.messages.content.json_fields import Json, get_text, list_mappings
from contract.job import SLACK_ID_PATTERN, TIMESTAMP_PATTERN, Thread

MAX_QUESTION_CHARACTERS: Final = 3_000
"""Maximum length of Slack's input for text."""
MAX_BLOCK_ID_CHARACTERS: Final = 255
REQUEST_PATTERN: Final = r"^[A-Za-z0-9_.-]{1,64}$"
"""Identity of a request, which each delivery and a second press have in common."""
NO_MESSAGE: Final = "-"
"""Word for a question that is about no message."""
BLOCK_ID: Final = re.compile(
    r"asked (?P<request>\S+) (?P<user>\S+) (?P<user_team>\S+) (?:-|(?P<about>\S+))"
)
SHARED_REQUEST: Final = re.compile(r"share-(D[A-Za-z0-9]{1,32})-([0-9]{1,16})-([0-9]{1,8})")
NAME_IN_BRACES: Final = re.compile(r"\{([a-z]+)\}")


class AskedMessage(BaseModel):
    """Question of `user` by the request `request`, about the message at `about` if there is one."""

    model_config = ConfigDict(frozen=True)

    request: str = Field(pattern=REQUEST_PATTERN)
    user: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    user_team: str = Field(pattern=SLACK_ID_PATTERN, max_length=64)
    about: str = Field(pattern=rf"{TIMESTAMP_PATTERN}|^$", max_length=32)
    question: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS)

    @property
    def block_id(self) -> str:
        """Identity of the block that holds the question."""
        about = self.about or NO_MESSAGE
        return f"asked {self.request} {self.user} {self.user_team} {about}"

    def find_shared(self, team: str) -> Thread | None:
        """Return the thread in a direct message whose answer was shared; `None` if none was."""
        found = SHARED_REQUEST.fullmatch(self.request)
        if found is None:
            return None
        channel, seconds, fraction = found.groups()
        return Thread(team=team, channel=channel, ts=f"{seconds}.{fraction}")

    @classmethod
    def from_slack(cls, raw: Json) -> Self | None:
        """Parse a message of the bot; `None` if it is no question of a person."""
        for block in list_mappings(raw, "blocks"):
            found = BLOCK_ID.fullmatch(get_text(block, "block_id")[:MAX_BLOCK_ID_CHARACTERS])
            if found is not None:
                fields = found.groupdict("") | {"question": _read_quote(block)}
                with contextlib.suppress(ValidationError):
                    return cls.model_validate(fields)
        return None

    def build_block(self, intro: str, values: Mapping[str, Json]) -> Json:
        """
        Return the block with the question below `intro`, all of it literal.

        Each `{name}` in `intro` is replaced by the rich text element of that name in `values`.
        """
        quote = {"type": "rich_text_quote", "elements": [build_text(self.question)]}
        section = {"type": "rich_text_section", "elements": _fill_intro(intro, values)}
        return {"type": "rich_text", "block_id": self.block_id, "elements": [section, quote]}


def name_shared_request(channel: str, ts: str) -> str:
    """Return the identity of a request to share the answer to a question of a direct message."""
    return f"share-{channel}-{ts.replace('.', '-')}"


def build_text(text: str, *, link: str = "", is_bold: bool = False) -> Json:
    """Return a rich text element: literal text, or the label of a link."""
    target = {"type": "link", "url": link} if link else {"type": "text"}
    return {**target, "text": text, **({"style": {"bold": True}} if is_bold else {})}


def _fill_intro(intro: str, values: Mapping[str, Json]) -> list[Json]:
    parts = NAME_IN_BRACES.split(intro)
    elements = [
        values[part] if number % 2 else build_text(part) for number, part in enumerate(parts)
    ]
    return [element for element in elements if element.get("text") != ""]


def _read_quote(block: Json) -> str:
    quotes = [q for q in list_mappings(block, "elements") if q.get("type") == "rich_text_quote"]
    return "".join(
        get_text(element, "text") or get_text(element, "url")
        for quote in quotes
        for element in list_mappings(quote, "elements")
    )
