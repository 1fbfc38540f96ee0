"""Web API method description: function, arguments, scope and rate tier."""

from collections.abc import Callable
from dataclasses import dataclass

from fakeslack.errors import Json
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments

MethodFunction = Callable[[Workspace, Arguments], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """
    One method; its token needs `scope`. One without `needs_token` answers everyone.

    `tier` is Slack's rate tier (1, 20, 50 or 100 calls a minute); 0 means a special limit.
    """

    function: MethodFunction
    argument_names: frozenset[str]
    scope: str | None = None
    tier: int = 3
    app_level: bool = False
    needs_token: bool = True


def split_names(names: str) -> frozenset[str]:
    """Return the argument names in a space-separated line."""
    return frozenset(names.split())
