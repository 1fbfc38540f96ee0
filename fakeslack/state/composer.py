"""Turns what a person types on the page into the text that Slack would keep."""

import re
from collections.abc import Iterable, Iterator

from fakeslack.state.channels import Channel, Kind
from fakeslack.state.people import Person

CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
ADDRESS = re.compile(r"https?://[^\s<>`|]+[^\s<>`|.,;:!?)\]}'\"*_~]")
GROUPS = ("channel", "here", "everyone")


class Composer:
    """Knows the names that may be mentioned."""

    def __init__(self, people: Iterable[Person], channels: Iterable[Channel]) -> None:
        self._people = {person.name.lower(): person.id for person in people}
        self._channels = {
            channel.name.lower(): channel
            for channel in channels
            if channel.kind in {Kind.CHANNEL, Kind.GROUP}
        }
        self._person = _alternatives("@", [*self._people, *GROUPS])
        self._channel = _alternatives("#", self._channels)

    def kept(self, typed: str) -> str:
        """Return the text as Slack keeps it: escaped, with mentions and links marked."""
        return "".join(self._pieces(typed))

    def _pieces(self, typed: str) -> Iterator[str]:
        for place, piece in enumerate(CODE.split(typed)):
            last = 0
            for match in ADDRESS.finditer(piece):
                yield self._words(piece[last : match.start()], code=place % 2 == 1)
                yield f"<{escaped(match.group(0))}>"
                last = match.end()
            yield self._words(piece[last:], code=place % 2 == 1)

    def _words(self, words: str, *, code: bool) -> str:
        text = escaped(words)
        if code:
            return text
        text = self._person.sub(lambda match: self._mention(match.group(1)), text)
        return self._channel.sub(lambda match: self._reference(match.group(1)), text)

    def _mention(self, name: str) -> str:
        found = self._people.get(name.lower())
        return f"<@{found}>" if found else f"<!{name.lower()}>"

    def _reference(self, name: str) -> str:
        channel = self._channels[name.lower()]
        return f"<#{channel.id}|{channel.name}>"


def escaped(text: str) -> str:
    """Return text with the three characters escaped that Slack reserves."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _alternatives(mark: str, names: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    words = "|".join(re.escape(name) for name in longest_first)
    return re.compile(rf"(?<![\w@#]){mark}({words})(?![\w-])", re.IGNORECASE)
