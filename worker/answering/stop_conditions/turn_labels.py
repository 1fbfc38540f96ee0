"""
Turn labels: the beginnings of lines by which a model continues as a person, as in the prompt.

A name is as the prompt spells it. A label of the model's own roles says less, because `User:` also
begins a field of many configurations. Such a label is weak, and so is a name in lower case.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from contract.conversation import Speaker, Turn
from worker.prompt.builder import MAX_NAME_CHARACTERS, spell_name

LABEL_WORDS: Final = re.compile(
    r"""
    answer|author|bug|case|cause|caution|code|column|default|description|error|
    example|file|fix|flag|goal|hint|host|input|key|line|mark|max|message|min|
    mode|model|name|note|option|output|owner|password|path|port|problem|question|
    reason|result|role|root|rule|server|solution|status|step|summary|task|test|
    tip|title|todo|total|type|update|usage|value|version|warning
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Words that begin lines of prose. A person's name that is one of them is no label."""

ROLE_LINE: Final = re.compile(
    r"(?:\#{1,6}[ ]|\*\*)?(?P<role>User|Human|USER|HUMAN)(?:\*\*)?:(?:\*\*)?(?P<words>.*+)"
)
TOKEN_LINE: Final = re.compile(
    r"""
    (?: [<\[][ ]?[|｜][ ]?(?:(?:im_start|start_header_id)[|｜]>[ ]?)?
        (?:user|human|prompter|system|assistant)(?:[ ]?[|｜]?[>\]])?(?:<[|｜]\w++[|｜]>)?
      | <(?:user|human|system|assistant)[|｜]> | <start_of_turn>[ ]?user | \[INST\]
    )
    (?P<words>.*+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A chat format's role token in any spelling, at the beginning of a line."""
ASSISTANT_LINE: Final = re.compile(
    r"(?:\#{1,6}[ ]|\*\*)?(?:Assistant|ASSISTANT|AI|Bot|StarChat)(?:\*\*)?:"
)
FIELD_LINE: Final = re.compile(r"[ \t]*+(?:[-*][ ])?[\w*`\"'][^:\n]{0,79}+:(?:\s|\Z)")
"""A line such as `Port: 22`."""
LINE_LABEL: Final = re.compile(rf"^[^:\n]{{1,{MAX_NAME_CHARACTERS}}}+(?=:)", re.MULTILINE)


class TurnLine(NamedTuple):
    """A line that may begin a person's turn; `is_weak` asks for further evidence."""

    words: str
    is_weak: bool


@dataclass(frozen=True, slots=True)
class TurnLabels:
    """The labels of one conversation: `names` of people, and labels that people wrote in texts."""

    names: frozenset[str] = frozenset()
    quoted: frozenset[str] = frozenset()

    @classmethod
    def from_turns(cls, turns: Iterable[Turn]) -> Self:
        """
        Collect the labels of a conversation.

        A reply may quote a label at which a line of a person's text begins, so it is no turn.
        """
        people = [turn for turn in turns if turn.speaker is Speaker.USER]
        quoted = {label for turn in people for label in LINE_LABEL.findall(turn.text)}
        names = {name for name in map(spell_name, people) if not LABEL_WORDS.fullmatch(name)}
        return cls(frozenset(names), frozenset(quoted))

    def match_line(self, line: str) -> TurnLine | None:
        """Return how a line begins a person's turn; `None` if it does not."""
        token = TOKEN_LINE.match(line)
        if token:
            return TurnLine(token["words"].strip(), bool(token["words"].strip()))
        role = ROLE_LINE.match(line)
        if role:
            is_quoted = role["role"] in self.quoted
            return None if is_quoted else TurnLine(role["words"].strip(), is_weak=True)
        for colon in re.finditer(":", line[: MAX_NAME_CHARACTERS + 1]):
            name, words = line[: colon.start()], line[colon.end() :]
            if name in self.names and name not in self.quoted and words[:1] == " ":
                return TurnLine(words.strip(), is_weak=name.islower() or len(name) == 1)
        return None


NO_LABELS: Final = TurnLabels()
"""Labels of a conversation without names."""
