"""What a Web API method is: who may call it, with what, how often, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass

from fakeslack.errors import Json
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments

MethodFunction = Callable[[Workspace, Arguments], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """
    One method: `takes` are the names of its arguments, `scope` what its token needs.

    `tier` is Slack's rate tier (calls a minute: 1, 20, 50, 100; 0 for a rule of its own).
    """

    function: MethodFunction
    argument_names: frozenset[str]
    scope: str | None = None
    tier: int = 3
    app_level: bool = False


def split_names(names: str) -> frozenset[str]:
    """Return names of arguments written in one line."""
    return frozenset(names.split())
