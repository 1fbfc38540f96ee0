"""Asked before: labelled pairs of questions, of which the bot takes few unlike ones for alike."""

from bench.asked_before import LIKE, count_rates, estimate_interval, load_pairs, measure_searches

MIN_PAIRS = 300
MIN_PRECISION = 0.97
MIN_LOWER_END = 0.95


def test_pairs_are_many_and_balanced() -> None:
    """No pair is there twice, and each half has pairs of both kinds."""
    pairs = load_pairs()

    assert len({frozenset(pair[1:]) for pair in pairs}) == len(pairs) >= MIN_PAIRS
    for half in (pairs[::2], pairs[1::2]):
        num_alike = sum(pair.label == LIKE for pair in half)
        assert 0.4 < num_alike / len(half) < 0.6


def test_answers_to_like_questions_are_shown_precisely() -> None:
    """By the share over all pairs, and by the lower end of its interval."""
    total = count_rates(load_pairs())

    assert total.hits / total.shown >= MIN_PRECISION
    assert estimate_interval(total.hits, total.shown)[0] >= MIN_LOWER_END
    assert total.hits / total.alike > 0.5


def test_questions_turned_round_are_not_alike() -> None:
    """Other roles of the same words, other order and opposite verbs."""
    shown = [pair.one for pair in load_pairs() if pair.label != LIKE and pair.has_link]

    assert shown == []


def test_searches_are_measured() -> None:
    """The table has a row for each kind of search."""
    assert len(measure_searches(num_questions=30, num_searches=3)) == 6
