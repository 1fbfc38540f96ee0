"""How the bot waits for a Slack that it does not reach."""

from bot.slack.client import PAUSES, pause


def test_pauses_grow_to_a_bound_and_are_never_the_same() -> None:
    """Many bots that lose Slack at once do not come back at once."""
    for tries, longest in enumerate((*PAUSES, PAUSES[-1]), 1):
        found = {pause(tries) for _ in range(20)}
        assert all(longest / 2 <= seconds <= longest for seconds in found)
        assert len(found) > 1
