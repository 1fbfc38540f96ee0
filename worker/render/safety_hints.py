"""Hints about safety in a reply's code, as a reader sees them."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from contract.code_verdicts import MAX_NUMBER
from contract.language import Phrase, Translatable

SENTENCES: Final = {
    "archive": Phrase("Line {line}: an archive may write files outside of its folder."),
    "bind-all": Phrase("Line {line}: the server listens on every network address."),
    "code-execution": Phrase("Line {line}: text is run as code. Never do that with input."),
    "command-injection": Phrase(
        "Line {line}: a shell runs a command that is put together. Pass a list of arguments."
    ),
    "cross-site": Phrase("Line {line}: text becomes HTML without being escaped."),
    "debug-on": Phrase(
        "Line {line}: debug mode lets visitors run code. Turn it off in production."
    ),
    "delete-all": Phrase("Line {line}: this can delete far more than you expect."),
    "hardcoded-secret": Phrase("Line {line}: a secret is written in the code."),
    "open-permissions": Phrase("Line {line}: everybody on the machine may change this."),
    "path-traversal": Phrase("Line {line}: a request chooses the path of a file. Check it first."),
    "pipe-to-shell": Phrase("Line {line}: a download is run unread."),
    "signature-off": Phrase("Line {line}: the token's signature isn't verified."),
    "sql-concatenation": Phrase(
        "Line {line}: an SQL statement is put together from text. Use parameters."
    ),
    "ssh-host-key": Phrase("Line {line}: unknown SSH hosts are trusted."),
    "temp-file": Phrase("Line {line}: another program can take this temporary file's name first."),
    "tls-off": Phrase("Line {line}: the server's certificate isn't verified."),
    "unsafe-deserialization": Phrase(
        "Line {line}: this can run code that is hidden in the data. Only load what you trust."
    ),
    "weak-cipher": Phrase("Line {line}: this encryption can be broken."),
    "weak-hash": Phrase("Line {line}: this hash is too fast for passwords."),
    "weak-random": Phrase("Line {line}: these random numbers can be guessed."),
}
"""What may go wrong, by the rule's name."""


class SafetyHint(BaseModel):
    """A line of a code block that a rule is about."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rule: str = Field(pattern="^(" + "|".join(SENTENCES) + ")$")
    line: int = Field(ge=1, le=MAX_NUMBER)

    @property
    def key(self) -> str:
        """What the hint is about: a rule has one sentence below a message."""
        return self.rule

    def describe(self) -> Translatable:
        """Return the hint as a sentence."""
        return SENTENCES[self.rule].with_values(line=self.line)
