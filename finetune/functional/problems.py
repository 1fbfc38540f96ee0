"""Problems of the functional test: a question, a function's name, and calls with results. Pure."""

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from worker.render import ReplyFacts, list_checkable, parse_reply

PROBLEMS_FILE: Final = Path(__file__).with_name("problems.jsonl")
FACTS: Final = ReplyFacts(model="", finish_reason="", max_new_tokens=0)


class Call(BaseModel):
    """A call of the function; both fields are JSON values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arguments: tuple[Any, ...]
    result: Any


class Problem(BaseModel):
    """A problem. `task` says what the function does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    function: str = Field(pattern=r"^[a-z_]+[0-9]?$")
    signature: str
    task: str
    calls: tuple[Call, ...] = Field(min_length=3)

    @property
    def question(self) -> str:
        """The question, as a person would ask it."""
        return (
            f"Write a Python function `{self.function}({self.signature})`. {self.task} "
            "Reply with the complete function in one code block."
        )


def read_problems() -> list[Problem]:
    """Return all problems, in the order of the file."""
    lines = PROBLEMS_FILE.read_text("utf-8").splitlines()
    return [Problem.model_validate_json(line) for line in lines]


def find_code(reply: str, function: str) -> str:
    """Return the first code block of a reply that defines the function; empty without one."""
    blocks = list_checkable(parse_reply(reply, facts=FACTS).pieces)
    return next((block.text for block in blocks if f"def {function}(" in block.text), "")
