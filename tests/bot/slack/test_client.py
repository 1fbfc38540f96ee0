"""How the bot waits for a Slack that it does not reach."""

from bot.slack.client import RETRY_DELAYS_SECONDS, retry_delay


def test_pauses_grow_to_a_bound_and_are_never_the_same() -> None:
    """Many bots that lose Slack at once do not come back at once."""
    for tries, longest in enumerate((*RETRY_DELAYS_SECONDS, RETRY_DELAYS_SECONDS[-1]), 1):
        found = {retry_delay(tries) for _ in range(20)}
        assert all(longest / 2 <= seconds <= longest for seconds in found)
        assert len(found) > 1
