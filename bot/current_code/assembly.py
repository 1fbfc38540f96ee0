"""
Assembly: a thread's code as files, each from the last version of its blocks. Pure.

Code belongs to a file by the name that is written with it, else by the names that it defines. Where
it is unclear what a block replaces, the file stays, and the block is shown beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from bot.current_code.blocks import CodeBlock, make_block, scan_blocks
from bot.current_code.file_names import clean_posted_name
from bot.current_code.model import CodeTurn, CurrentCode, CurrentFile
from bot.current_code.sources import list_keys, read_language, read_source
from bot.current_code.thread_file import ThreadFile, Version
from contract.code_languages import PLAIN_TEXT

MAX_BLOCKS: Final = 300
"""Blocks of a thread that are read, the newest ones."""
MAX_FILE_BYTES: Final = 2**20
"""Slack takes no longer snippet."""
OUTPUT_LANGUAGES: Final = frozenset({"", "bash", "console", "diff", "pycon"})
"""Languages of blocks that are commands or output unless they define something."""


def assemble_code(turns: Iterable[CodeTurn]) -> CurrentCode:
    """Return the current code of a thread, whose turns are in order."""
    assembly = _Assembly()
    read = [(turn, block) for turn in turns for block in _list_blocks(turn)]
    assembly.num_too_long = max(0, len(read) - MAX_BLOCKS)
    blocks: dict[int, tuple[CodeTurn, list[CodeBlock]]] = {}
    for turn, block in read[-MAX_BLOCKS:]:
        blocks.setdefault(id(turn), (turn, []))[1].append(block)
    for turn, found in blocks.values():
        assembly.add_turn(turn, found)
    return assembly.build_result()


def _list_blocks(turn: CodeTurn) -> list[CodeBlock]:
    files = (
        replace(
            make_block(file.text, name=clean_posted_name(file.name)),
            is_file=True,
            is_recoded=file.is_recoded,
        )
        for file in turn.files
        if file.text.strip()
    )
    return [*files, *scan_blocks(turn.text)]


class _Assembly:
    """The files of a thread, by the turns so far."""

    def __init__(self) -> None:
        self.num_too_long = 0
        self._num_others = 0
        self._num_unfinished = 0
        self._files: list[ThreadFile] = []
        self._by_key: dict[tuple[str, str], list[ThreadFile]] = {}

    def add_turn(self, turn: CodeTurn, blocks: Sequence[CodeBlock]) -> None:
        """Add the blocks of the next turn to their files."""
        closed = [block for block in blocks if block.is_closed]
        self._num_unfinished += (len(blocks) - len(closed)) * turn.is_reply
        versions = [Version(block, read_source(block), turn) for block in closed]
        has_files = any(version.has_identity for version in versions)
        by_file: dict[int, tuple[ThreadFile, list[Version]]] = {}
        for version in versions:
            if version.has_identity or _is_program(version, has_files=has_files):
                file = self._find_file(version)
                by_file.setdefault(id(file), (file, []))[1].append(version)
            else:
                self._num_others += turn.is_reply
        for file, found in by_file.values():
            file.add_versions(found)

    def _find_file(self, version: Version) -> ThreadFile:
        """Return the file of a block: by its name, else by what it defines, else a new one."""
        name, language = version.block.name, read_language(version.block, version.source)
        file = self._find_by_name(name) or self._find_by_keys(version, language.name)
        if file is None:
            file = ThreadFile(name, language)
            self._files.append(file)
        file.name = file.name or name
        if file.language is PLAIN_TEXT:
            file.language = language
        for key in list_keys(version.source):
            known = self._by_key.setdefault((language.name, key), [])
            # A third one would not make it clearer.
            if file not in known and len(known) <= 1:
                known.append(file)
        return file

    def _find_by_name(self, name: str) -> ThreadFile | None:
        """Return the file with a name; one of both names may lack the folder."""
        if not name:
            return None
        same = [file for file in self._files if file.name == name]
        if same:
            return same[0]
        last = name.rpartition("/")[2]
        similar = [
            file
            for file in self._files
            if file.name.rpartition("/")[2] == last and not ("/" in file.name and "/" in name)
        ]
        return similar[0] if len(similar) == 1 else None

    def _find_by_keys(self, version: Version, language: str) -> ThreadFile | None:
        """Return the file that defines a name of a block; the block is unclear if several do."""
        found = {
            id(file): file
            for key in list_keys(version.source)
            for place in dict.fromkeys((language, ""))
            for file in self._by_key.get((place, key), ())
            if not (version.block.name and file.name)
        }
        version.is_clear = len(found) <= 1
        return next(iter(found.values()), None)

    def build_result(self) -> CurrentCode:
        """Return the files that replies have written or changed."""
        names = {file.name for file in self._files}
        changed = [file for file in self._files if file.changes]
        built = [file.build_file(file.choose_name(names)) for file in changed]
        short = tuple(file for file in built if _is_short(file))
        num_too_long = self.num_too_long + len(built) - len(short)
        return CurrentCode(short, self._num_unfinished, self._num_others, num_too_long)


def _is_program(version: Version, *, has_files: bool) -> bool:
    """Return whether code without a name is a program: a script, or a reply's only code."""
    is_script = version.block.code.startswith("#!")
    is_code = version.block.language.name not in OUTPUT_LANGUAGES and not has_files
    return version.turn.is_reply and (is_script or is_code)


def _is_short(file: CurrentFile) -> bool:
    return all(len(one.text.encode("utf-8", "replace")) <= MAX_FILE_BYTES for one in file.outputs)
