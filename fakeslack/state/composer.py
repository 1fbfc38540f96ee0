"""Composer encoding: turns typed text into the mrkdwn text that Slack stores."""

import re
from collections.abc import Iterable, Iterator

from fakeslack.state.channels import Channel, ChannelType
from fakeslack.state.people import Person

CODE_PATTERN = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
URL_PATTERN = re.compile(r"https?://[^\s<>`|]+[^\s<>`|.,;:!?)\]}'\"*_~]")
GROUP_MENTIONS = ("channel", "here", "everyone")


class Composer:
    """Encoder that knows the names of people and channels."""

    def __init__(self, people: Iterable[Person], channels: Iterable[Channel]) -> None:
        self._ids_by_name = {person.name.lower(): person.id for person in people}
        self._channels_by_name = {
            channel.name.lower(): channel
            for channel in channels
            if channel.channel_type in {ChannelType.CHANNEL, ChannelType.GROUP}
        }
        self._mention_pattern = _name_pattern("@", [*self._ids_by_name, *GROUP_MENTIONS])
        self._channel_pattern = _name_pattern("#", self._channels_by_name)

    def encode_text(self, typed: str) -> str:
        """Return the stored text: control characters escaped, mentions and links marked."""
        return "".join(self._encode_pieces(typed))

    def _encode_pieces(self, typed: str) -> Iterator[str]:
        for index, piece in enumerate(CODE_PATTERN.split(typed)):
            end = 0
            for match in URL_PATTERN.finditer(piece):
                yield self._encode_words(piece[end : match.start()], is_code=index % 2 == 1)
                yield f"<{escape_control_characters(match.group(0))}>"
                end = match.end()
            yield self._encode_words(piece[end:], is_code=index % 2 == 1)

    def _encode_words(self, plain_text: str, *, is_code: bool) -> str:
        text = escape_control_characters(plain_text)
        if is_code:
            return text
        text = self._mention_pattern.sub(lambda match: self._mention_token(match.group(1)), text)
        return self._channel_pattern.sub(lambda match: self._channel_token(match.group(1)), text)

    def _mention_token(self, name: str) -> str:
        member_id = self._ids_by_name.get(name.lower())
        return f"<@{member_id}>" if member_id else f"<!{name.lower()}>"

    def _channel_token(self, name: str) -> str:
        channel = self._channels_by_name[name.lower()]
        return f"<#{channel.id}|{channel.name}>"


def escape_control_characters(text: str) -> str:
    """Escape the three characters that Slack reserves: `&`, `<` and `>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _name_pattern(prefix: str, names: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    alternatives = "|".join(re.escape(name) for name in longest_first)
    return re.compile(rf"(?<![\w@#]){prefix}({alternatives})(?![\w-])", re.IGNORECASE)
