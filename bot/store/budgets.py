"""Daily budgets: how much engine time the questions of a user and of a channel may use in a day."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from bot.store.received import Received

MS_PER_SECOND: Final = 1000


class BudgetLimits(NamedTuple):
    """Budgets that apply to one question (ms of engine time), 0 for none."""

    user: int
    channel: int


@dataclass(frozen=True, slots=True)
class DailyBudgets:
    """Seconds of engine time for each user and for each channel, 0 for no budget."""

    user_seconds: int = 0
    channel_seconds: int = 0
    exempt_users: frozenset[str] = frozenset()
    """Users who may exceed both."""

    def find_limits_ms(self, received: Received) -> BudgetLimits:
        """Return the budgets that apply to a question."""
        if received.charged_user in self.exempt_users or not received.needs_engine:
            return BudgetLimits(0, 0)
        # A direct message has one person, who has a budget already.
        is_direct = received.thread.channel.startswith("D")
        channel_seconds = 0 if is_direct else self.channel_seconds
        return BudgetLimits(self.user_seconds * MS_PER_SECOND, channel_seconds * MS_PER_SECOND)


NO_BUDGETS: Final = DailyBudgets()
