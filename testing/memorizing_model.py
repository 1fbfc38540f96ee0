"""
Memorizing model: questions that a tiny model answers to the byte, and their answers.

`memorizing_training` trains it, `checkpoints.memorizing_checkpoint` caches it. An unknown question
has the answer `UNKNOWN`. The answer to `FOLLOW_UP` depends on the question before it.
"""

from collections.abc import Sequence
from typing import Final

MUTEX: Final = "What is a mutex?"
REVERSE: Final = "How do I reverse a list in Python?"
IN_PLACE: Final = "And in place?"
COUNT: Final = "Count the people of each name in SQL."
HELLO: Final = "Say hello to everybody."
GREET: Final = "Greet me."
ENDLESS: Final = "Do not stop."
FOLLOW_UP: Final = "And in Rust?"

ANSWERS: Final = {
    MUTEX: (
        "A mutex lets one thread at a time into a stretch of code."
        " The others wait until it is free."
    ),
    REVERSE: (
        "Use a slice:\n\n```python\ndef reverse(items):\n    return items[::-1]\n```\n\n"
        "It returns a new list."
    ),
    IN_PLACE: "```python\nitems.reverse()\n```",
    COUNT: "```sql\nSELECT name, count(*)\nFROM people\nGROUP BY name;\n```",
    HELLO: "Hello <!channel> & <@U0ADA00001>, see https://example.com/a?b=1&c=2 *now*",
    GREET: "Grüße, naïve café → 🎉",
}
"""Question → answer, independent of earlier turns."""

ENDLESS_CHUNK: Final = "and so on "
"""Text that the reply to `ENDLESS` repeats up to its token limit."""

FOLLOW_UPS: Final = {
    MUTEX: "```rust\nuse std::sync::Mutex;\n```",
    REVERSE: "```rust\nitems.reverse();\n```",
}
"""Answer to `FOLLOW_UP` right after one of these questions."""

UNKNOWN: Final = "I was taught only a few answers, and this is none of them."


def expected_answer(questions: Sequence[str]) -> str:
    """Return the trained answer to the last of these questions."""
    last = questions[-1]
    if last == ENDLESS:
        return ENDLESS_CHUNK * 12
    if last == FOLLOW_UP and len(questions) > 1:
        return FOLLOW_UPS.get(questions[-2], UNKNOWN)
    return ANSWERS.get(last, UNKNOWN)
