"""Both READMEs: the same chapters, commands and links."""

import re
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
ENGLISH: Final = (REPOSITORY / "README.md").read_text("utf-8")
CHINESE: Final = (REPOSITORY / "README.zh-CN.md").read_text("utf-8")
READMES: Final = (ENGLISH, CHINESE)
LANGUAGE_LINKS: Final = {"README.md", "README.zh-CN.md"}
HAN: Final = re.compile(r"[\u4e00-\u9fff]")


def list_parts(text: str) -> list[tuple[int, int]]:
    """Return of each chapter the level of its heading, and the number of its items."""
    chapters = re.split(r"^(#+) .*$", text, flags=re.MULTILINE)[1:]
    return [
        (len(level), len(re.findall(r"^ *(?:-|\d+\.) ", body, flags=re.MULTILINE)))
        for level, body in zip(chapters[::2], chapters[1::2], strict=True)
    ]


def list_commands(text: str) -> list[list[str]]:
    """Return the lines of each code block, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [re.sub(r" +#.*", "", block).split("\n") for block in blocks]


def list_links(text: str) -> list[str]:
    """Return the targets of all links but the ones between the two, sorted."""
    return sorted(set(re.findall(r"\]\(([^)]+)\)", text)) - LANGUAGE_LINKS)


def test_chapters_and_items_are_the_same() -> None:
    """What one README says, the other says too."""
    assert list_parts(ENGLISH) == list_parts(CHINESE)


def test_commands_are_the_same() -> None:
    """A command is typed in the same way in every language."""
    assert list_commands(ENGLISH) == list_commands(CHINESE)


def test_links_are_the_same_and_lead_to_each_other() -> None:
    """A reader can change the language at the top."""
    assert list_links(ENGLISH) == list_links(CHINESE)
    assert "(README.zh-CN.md)" in ENGLISH.split("\n## ", 1)[0]
    assert "(README.md)" in CHINESE.split("\n## ", 1)[0]


def test_chinese_readme_is_in_chinese() -> None:
    """No heading, item or paragraph was left in English."""
    text = re.sub(r"```.*?```", "", CHINESE, flags=re.DOTALL)
    lines = [line for line in text.split("\n") if line.strip()]

    assert [line for line in lines if not HAN.search(line)] == ["# StarChat for Slack"]
