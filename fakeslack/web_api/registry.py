"""Registry of the Web API methods that change or read the workspace, by name."""

from collections.abc import Mapping
from typing import Final

from fakeslack.web_api import (
    assistant,
    chat,
    conversations,
    files,
    streams,
    team,
    user_groups,
    users,
    views,
)
from fakeslack.web_api.method import Method

METHODS: Final[Mapping[str, Method]] = {
    **assistant.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **streams.METHODS,
    **team.METHODS,
    **user_groups.METHODS,
    **users.METHODS,
    **views.METHODS,
}
