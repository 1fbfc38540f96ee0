"""Channel rules: who may ask in a channel, when the bot answers, and how."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from contract.job import Streaming
from contract.language import Language
from contract.reply_rules import ReplyRules

MAX_USERS: Final = 100
"""Users in a channel's list; a user group has no bound."""
CHANNEL_PATTERN: Final = r"^[CG][A-Z0-9]{2,63}$"
"""A channel or group message. A direct message has no rules: it has one person."""
USER_PATTERN: Final = r"^[UWB][A-Z0-9]{2,63}$"
"""A person, or another bot by one of its ids."""
GROUP_PATTERN: Final = r"^(S[A-Z0-9]{2,63})?$"

ListedUser = Annotated[str, Field(pattern=USER_PATTERN)]


class WhoMayAsk(StrEnum):
    """Who may ask in a channel; people who may not are told so."""

    EVERYONE = "everyone"
    LIST = "list"
    GROUP = "group"
    NO_ONE = "none"


class ChannelRules(ReplyRules):
    """
    Rules of one channel; each default is the behaviour of a channel without rules.

    `users` counts if `who` is `list`, and `group` (a user group's id) if it is `group`. With
    `without_mention`, each new message of a person is a question. `streaming` is `None` for the
    operator's choice, and `language` for that of each person who asks. With `asked_before`, a
    question may be answered by a link to the answer of a like one.
    """

    who: WhoMayAsk = WhoMayAsk.EVERYONE
    users: tuple[ListedUser, ...] = Field(default=(), max_length=MAX_USERS)
    group: str = Field(default="", pattern=GROUP_PATTERN)
    without_mention: bool = False
    streaming: Streaming | None = None
    language: Language | None = None
    asked_before: bool = Field(default=False, exclude_if=lambda is_on: not is_on)
    """Left out if off, as older bots expect."""

    @model_validator(mode="after")
    def _require_list_or_group(self) -> Self:
        if self.who is WhoMayAsk.LIST and not self.users:
            raise ValueError("a list of users is missing")
        if self.who is WhoMayAsk.GROUP and not self.group:
            raise ValueError("a user group is missing")
        return self

    @property
    def reply_rules(self) -> ReplyRules:
        """The rules that travel in a job."""
        return ReplyRules.model_construct(
            **{name: getattr(self, name) for name in ReplyRules.model_fields}
        )

    def override_by(self, other: "ChannelRules | None") -> "ChannelRules":
        """Return these rules with all that are set in `other` replaced."""
        if other is None:
            return self
        return self.model_copy(update={name: getattr(other, name) for name in other.set_keys})

    @property
    def set_keys(self) -> frozenset[str]:
        """Names of the rules that were given a value."""
        return frozenset(self.model_fields_set)

    def find_changes(self, other: "ChannelRules") -> tuple[str, ...]:
        """Return the names of the rules in which `other` differs, in order."""
        return tuple(
            name
            for name in ChannelRules.model_fields
            if getattr(self, name) != getattr(other, name)
        )

    def allows(self, ids: Iterable[str], members: frozenset[str]) -> bool:
        """Return whether an author with these `ids` may ask; `members` are those of the group."""
        match self.who:
            case WhoMayAsk.EVERYONE:
                return True
            case WhoMayAsk.LIST:
                return not frozenset(ids).isdisjoint(self.users)
            case WhoMayAsk.GROUP:
                return not frozenset(ids).isdisjoint(members)
            case _:
                return False


DEFAULT_RULES: Final = ChannelRules()
"""The rules of a channel that has none."""
