"""Threads of the tests of current code."""

from bot.current_code.assembly import assemble_code
from bot.current_code.model import CodeTurn, CurrentCode, CurrentFile, PostedFile


def fence(code: str, info: str = "python") -> str:
    """Return code between fences."""
    return f"Here it is:\n\n```{info}\n{code}```\n"


def post(ts: int, text: str = "", *, author: str = "UADA", **files: str) -> CodeTurn:
    """Return a person's message, with files by name (`_` for a dot)."""
    posted = tuple(PostedFile(name.replace("_", "."), code) for name, code in files.items())
    return CodeTurn(f"{ts}.0", author, text, files=posted)


def reply(ts: int, *codes: str, info: str = "python", author: str = "UADA") -> CodeTurn:
    """Return the reply to a question, with these code blocks."""
    return CodeTurn(f"{ts}.0", author, "".join(fence(code, info) for code in codes), is_reply=True)


def assemble(*turns: CodeTurn) -> CurrentCode:
    """Return the current code of these turns."""
    return assemble_code(turns)


def assemble_file(*turns: CodeTurn) -> CurrentFile:
    """Return the only file of these turns."""
    [file] = assemble(*turns).files
    return file


def read_text(file: CurrentFile) -> str:
    """Return the text of a file that has one."""
    assert file.content is not None
    return file.content.text
