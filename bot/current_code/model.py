"""Data model: the turns of a thread with code, and the files that they make."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PostedFile:
    """A file that a person posted; `is_recoded` is whether its bytes are not the text in UTF-8."""

    name: str
    text: str
    is_recoded: bool = False


@dataclass(frozen=True, slots=True)
class CodeTurn:
    """
    A message of a person, or the reply to the message at `ts`, which `author` asked for.

    `text` is Markdown.
    """

    ts: str
    author: str
    text: str
    is_reply: bool = False
    files: tuple[PostedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A change of a file by the reply to the question at `ts`, which `author` asked."""

    ts: str
    author: str


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file to upload; `snippet_type` is Slack's name for its language."""

    name: str
    text: str
    snippet_type: str


@dataclass(frozen=True, slots=True)
class CurrentFile:
    """
    A file of the current code, with the changes that made it.

    `diff` leads to it from what a person posted, and `unclear` are blocks whose place in it is not
    clear. `content` is `None` if all of its blocks are unclear. `is_masked` and `is_recoded` are
    whether there is no diff because secrets were masked in what a person posted, or because its
    bytes are not the text in UTF-8.
    """

    name: str
    changes: tuple[CodeChange, ...]
    content: OutputFile | None
    diff: OutputFile | None = None
    unclear: tuple[OutputFile, ...] = ()
    is_masked: bool = False
    is_recoded: bool = False
    num_examples: int = 0
    """Blocks of which the lines that run an example were left out."""

    @property
    def main_outputs(self) -> tuple[OutputFile, ...]:
        """Its content and difference, as far as there are any."""
        return tuple(one for one in (self.content, self.diff) if one is not None)

    @property
    def outputs(self) -> tuple[OutputFile, ...]:
        """All that there is to upload of it."""
        return (*self.main_outputs, *self.unclear)


@dataclass(frozen=True, slots=True)
class CurrentCode:
    """
    The current code of a thread.

    `num_unfinished` blocks of replies have no end, `num_others` are commands, output or examples,
    and `num_too_long` files and blocks are too much. None of them is in `files`.
    """

    files: tuple[CurrentFile, ...] = ()
    num_unfinished: int = 0
    num_others: int = 0
    num_too_long: int = 0


@dataclass(frozen=True, slots=True)
class MissingCode:
    """
    Code of a thread that could not be read, or may not be shown.

    `num_unread` posted files are not known in full, the files of `num_lost` replies are not kept,
    and `num_covered` replies are covered.
    """

    num_unread: int = 0
    num_lost: int = 0
    num_covered: int = 0
