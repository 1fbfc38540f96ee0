"""Web API client: delays between retries."""

from bot.slack.client import RETRY_DELAYS_SECONDS, retry_delay


def test_retry_delays_grow_with_jitter() -> None:
    """Bots that lose Slack at the same time retry at different times."""
    for tries, longest in enumerate((*RETRY_DELAYS_SECONDS, RETRY_DELAYS_SECONDS[-1]), 1):
        found = {retry_delay(tries) for _ in range(20)}
        assert all(longest / 2 <= seconds <= longest for seconds in found)
        assert len(found) > 1
