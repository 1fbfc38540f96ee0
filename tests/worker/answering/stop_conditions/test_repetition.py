"""Repetition: endless repetitions are found and shortened; legitimate ones stay."""

import pytest

from worker.answering.stop_conditions.repetition import AT_LIMIT, ENDLESS, LoopBounds, find_loop

PARAGRAPH = "A mutex allows one thread at a time. " * 10 + "It ends here.\n\n"


def number_lines(line: str, count: int) -> str:
    """Return lines with each number at the place of `{}`."""
    return "".join(line.replace("{}", str(number)) for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("{}. Use a lock.\n", 300),
        ("{}) Use a lock.\n\n", 300),
        ("   {}. **Lock**: one thread at a time.\n      It waits.\n", 99),
        ("{}. \n", 1_000),
    ],
    ids=["lines", "parentheses", "items-of-two-lines", "empty-items"],
)
@pytest.mark.parametrize("before", ["Sure:\n\n", "5 reasons. " * 2_000 + "\n\n1. Use a queue.\n\n"])
def test_numbered_list_of_equal_items_is_shortened(before: str, line: str, count: int) -> None:
    """A model repeats an item and counts on; some items stay whole."""
    text = before + number_lines(line, count)

    length = find_loop(text, ENDLESS)

    assert length is not None
    kept = text[:length].removeprefix(before)
    assert number_lines(line, count).startswith(kept)
    assert 3 <= kept.count(line.partition("{}")[2]) <= 5
    assert kept.endswith("\n")


@pytest.mark.parametrize(
    ("unit", "kept"),
    [
        ("the same thing ", "the same thing " * 3),
        ("x = x + 1\n", "x = x + 1\n" * 3),
        (
            "    return helper(value, another_value)\n",
            "    return helper(value, another_value)\n" * 3,
        ),
        ("- Use a lock.\n- Use a queue.\n", "- Use a lock.\n- Use a queue.\n" * 3),
        ("ab", "ababab"),
        ("\n", "\n" * 3),
        (PARAGRAPH, PARAGRAPH * 3),
    ],
    ids=["three-words", "code-line", "long-line", "two-lines", "no-boundary", "blank", "paragraph"],
)
def test_endless_repetition_is_shortened(unit: str, kept: str) -> None:
    """A few repetitions stay, and the text before them does."""
    text = "Sure:\n\n" + unit * (4_000 // len(unit) + 20)

    length = find_loop(text, ENDLESS)

    assert length is not None
    assert text[:length].startswith("Sure:\n\n")
    assert abs(length - len("Sure:\n\n" + kept)) <= len(unit) + 1


def test_repetition_that_begins_within_a_line_ends_at_a_boundary() -> None:
    """No word and no line of the shown part is cut off."""
    text = "So it goes " + "on and on, and " * 300
    lines = "```\nx\n" + "    y += 1\n    z += 1\n" * 200

    assert text[: find_loop(text, ENDLESS)].endswith(" ")
    assert lines[: find_loop(lines, ENDLESS)].endswith("\n")


@pytest.mark.parametrize(
    "text",
    [
        "0, " * 400,
        "=" * 500 + "\n",
        "| x | y |\n" * 150,
        "a,b,0,0\n" * 200,
        (" ".join("0" * 28) + "\n") * 28,
        "+---+---+\n|   |   |\n" * 40,
        "*p++ = *q++;\n" * 64,
        number_lines("{}. Use a lock.\n", 140),
        number_lines("{}. Use lock {}.\n", 500),
        number_lines("{} Use a lock.\n", 500),
        number_lines("case {}: return 1;\n", 500),
        number_lines("| {} | 0 | 0 |\n", 500),
        number_lines("FIELD_{} = 0\n", 500),
        "".join(f"{number * 7}. Use a lock.\n" for number in range(500)),
        "",
    ],
    ids=[
        *("zeros", "rule", "table", "csv", "matrix", "art", "unrolled", "list", "different-items"),
        *("no-list", "cases", "numbered-rows", "constants", "other-numbers", "empty"),
    ],
)
def test_legitimate_repetition_is_kept(text: str) -> None:
    """Tables, data and drawings repeat for less long; most numbered lines differ."""
    assert find_loop("Here:\n" + text, ENDLESS) is None


@pytest.mark.parametrize("unit", ["the same thing ", "x = x + 1\n", "0, "])
def test_reply_at_its_limit_needs_fewer_repetitions(unit: str) -> None:
    """It was still repeating when the limit ended it."""
    text = "Sure: " + unit * (420 // len(unit) + 5)

    assert find_loop(text, AT_LIMIT) is not None
    assert find_loop(text, ENDLESS) is None


def test_repetition_with_an_end_is_no_loop() -> None:
    """Only the end of a text is a loop, and only one of the whole bound."""
    bounds = LoopBounds(max_period=4, min_characters=8)

    assert find_loop("abab" * 10 + "cdefgh", bounds) is None
    assert find_loop("wxyz" + "ab" * 6, bounds) is None
    assert find_loop("wxyz" + "ab" * 8, bounds) == len("wxyz" + "ab" * 3)
