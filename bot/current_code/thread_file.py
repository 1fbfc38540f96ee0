"""A file of a thread while its turns are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.current_code.blocks import CodeBlock
from bot.current_code.file_names import find_extension
from bot.current_code.model import CodeChange, CodeTurn, CurrentFile, OutputFile
from bot.current_code.sources import (
    Source,
    drop_examples,
    list_keys,
    read_source,
    replace_source,
)
from bot.current_code.unified_diff import build_diff
from contract.code_languages import Language
from contract.masking import list_masked_kinds

MAX_STEM_CHARACTERS = 40


@dataclass(slots=True)
class Version:
    """A block with its source and its turn; `is_clear` is whether one file alone fits it."""

    block: CodeBlock
    source: Source
    turn: CodeTurn
    is_clear: bool = True

    @property
    def has_identity(self) -> bool:
        """Whether a name tells the file of the block."""
        return bool(self.block.name or list_keys(self.source))


@dataclass(slots=True, eq=False)
class ThreadFile:
    """
    A file by the turns so far: its source, what a person posted, and blocks without a clear place.

    `name` is empty as far as none is written.
    """

    name: str
    language: Language
    source: Source | None = None
    base: str | None = None
    is_recoded: bool = False
    """Whether the bytes of what a person posted are not `base` in UTF-8."""
    changes: list[CodeChange] = field(default_factory=list)
    unclear: list[Version] = field(default_factory=list)
    num_examples: int = 0
    """Blocks whose examples were left out."""

    def add_versions(self, versions: Sequence[Version]) -> None:
        """Bring the file to the blocks of one turn; unclear ones are those that contradict."""
        if _have_contradiction(versions):
            self.unclear += versions
        else:
            for version in versions:
                self._apply_version(version)
        turn = versions[-1].turn
        if turn.is_reply:
            self.changes.append(CodeChange(turn.ts, turn.author))

    def _apply_version(self, version: Version) -> None:
        code = self._adapt_code(version)
        source = version.source
        if code != version.block.code:
            block = version.block
            source = read_source(CodeBlock(code, self.language, is_labelled=block.is_labelled))
        found = source if version.block.is_file else self._replace_source(version, source)
        if found is None:
            self.unclear.append(version)
            return
        is_whole = found is source
        self.unclear = [
            one
            for one in self.unclear
            if not (is_whole or (one.source.names and one.source.names <= source.names))
        ]
        self.source = found
        if is_whole and not version.turn.is_reply:
            self.base, self.is_recoded = code, version.block.is_recoded

    def _replace_source(self, version: Version, source: Source) -> Source | None:
        if not version.is_clear:
            return None
        if self.source is None:
            return source
        if version.block.has_elision:
            return None
        is_posted = version.turn.is_reply and self.base == self.source.text
        found = replace_source(self.source, source, is_posted=is_posted)
        shorter = drop_examples(self.source, source) if found is None else None
        if shorter is not None:
            found = replace_source(self.source, shorter, is_posted=is_posted)
            self.num_examples += found is not None
        return found

    def _adapt_code(self, version: Version) -> str:
        """Return the code of a block with label and line ends as in what a person posted."""
        block, base = version.block, self.base or ""
        if not version.turn.is_reply:
            return block.full_text
        has_label = bool(block.label) and base.startswith(block.label.rstrip("\n"))
        code = block.full_text if has_label else block.code
        return code.replace("\n", "\r\n") if "\r\n" in base else code

    def choose_name(self, names: set[str]) -> str:
        """
        Return the name of the file, and add it to the `names` that are in use.

        One without a name is named after the first thing that it defines.
        """
        if self.name:
            return self.name
        sources = [self.source, *(version.source for version in self.unclear)]
        keys = (key for one in sources if one is not None for key in list_keys(one))
        stem = next((key for key in keys if key.isidentifier()), "code")[:MAX_STEM_CHARACTERS]
        number, name = 1, f"{stem}.{self.language.file_extension}"
        while name in names:
            number += 1
            name = f"{stem}-{number}.{self.language.file_extension}"
        names.add(name)
        return name

    def build_file(self, name: str) -> CurrentFile:
        """Return the file under its name."""
        base, text = self.base, None if self.source is None else self.source.text
        is_changed = base is not None and base != text
        is_masked = is_changed and bool(list_masked_kinds(base or ""))
        is_recoded = is_changed and self.is_recoded
        diff = ""
        if base is not None and text is not None and not (is_masked or is_recoded):
            diff = build_diff(name, base, text)
        extension = find_extension(name)
        suffix = f".{extension}" if extension else ""
        stem, kind = name[: len(name) - len(suffix)], self.language.snippet_type
        unclear = tuple(
            OutputFile(f"{stem}.part-{number}{suffix}", version.block.full_text, kind)
            for number, version in enumerate(self.unclear, 1)
        )
        return CurrentFile(
            name,
            tuple(self.changes),
            None if text is None else OutputFile(name, text, kind),
            OutputFile(f"{name}.diff", diff, "diff") if diff else None,
            unclear,
            is_masked,
            is_recoded,
            self.num_examples,
        )


def _have_contradiction(versions: Sequence[Version]) -> bool:
    """Return whether blocks of one message define a name differently."""
    # Each text once: the whole text of a block is the body of each of its names.
    sources = {version.source.text.strip("\n"): version.source for version in versions}
    if not any(source.names for source in sources.values()):
        return len(sources) > 1
    bodies: dict[str, str] = {}
    return any(
        bodies.setdefault(name, body) != body
        for source in sources.values()
        for name, body in source.bodies.items()
    )
