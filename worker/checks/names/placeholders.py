"""Names that stand for the reader's own, which are in no list."""

import re
from typing import Final

PLACEHOLDER: Final = re.compile(
    r"""
    (?:my|your|our|the|some|any|an?|other|another|custom|local|example|sample|demo|dummy|fake|test|new)
        (?:[-_.].*|[A-Z].*|app|api|project|package|module|library|lib|name|script|code|bot|plugin)?
    | (?:foo|bar|baz|qux|spam|eggs|x|y|z|xyz|abc)(?:[-_.\d].*)?
    | .*[-_.](?:name|here|example|placeholder|version)
    | .*(?:package|module|project|library)[-_]?(?:name|[a-z\d])?
    | (?:app|main|utils?|helpers?|config|settings|models?|views|urls|forms|tasks|routes|schemas|crud
        |database|db|core|common|lib|src|tests?|conftest|server|client|constants|exceptions|types
        |services?|api|data|scripts?|tools?|game|player|board|calculator|solution)
    | @(?:my|your|our|example|org|scope|app|/)[\w.-]*/.* | [~@]/.* | \#.*
    """,
    re.VERBOSE | re.IGNORECASE,
)


def is_placeholder(name: str) -> bool:
    """Return whether a package or module seems to be an example's, or a file of the reader."""
    return PLACEHOLDER.fullmatch(name) is not None
