"""Schema combinators for Block Kit: each rule yields the faults of a value."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Rule = Callable[[Any, str], Iterator[str]]
"""Checks a value at a JSON pointer; yields one sentence for each fault."""


def format_fault(sentence: str, pointer: str) -> str:
    """Return one fault in Slack's wording."""
    return f"[ERROR] {sentence} [json-pointer:{pointer}]"


def string_rule(max_length: int = 3_000, min_length: int = 1) -> Rule:
    """Build a rule for strings of `min_length` to `max_length` characters."""

    def check_string(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield format_fault("must provide a string", pointer)
        elif len(value) > max_length:
            yield format_fault(f"must be no more than {max_length} characters", pointer)
        elif len(value) < min_length:
            yield format_fault(f"must be more than {min_length - 1} characters", pointer)

    return check_string


def boolean_rule(value: Any, pointer: str) -> Iterator[str]:
    """Yield a fault unless the value is true or false."""
    if not isinstance(value, bool):
        yield format_fault("must provide a boolean", pointer)


def integer_rule(minimum: int, maximum: int) -> Rule:
    """Build a rule for integers from `minimum` to `maximum`."""

    def check_integer(value: Any, pointer: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            yield format_fault(f"must be a number from {minimum} to {maximum}", pointer)

    return check_integer


def choice_rule(*allowed: str) -> Rule:
    """Build a rule for one of the `allowed` strings."""

    def check_choice(value: Any, pointer: str) -> Iterator[str]:
        if value not in allowed:
            yield format_fault(f"must be one of {', '.join(allowed)}", pointer)

    return check_choice


def any_rule(_value: Any, _pointer: str) -> Iterator[str]:
    """Accept every value: used for parts of Block Kit that the simulator does not check."""
    return iter(())


def list_rule(rule: Rule, max_items: int, min_items: int = 1) -> Rule:
    """Build a rule for lists of `min_items` to `max_items` items that each satisfy `rule`."""

    def check_list(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield format_fault("must provide an array", pointer)
            return
        if len(value) > max_items:
            yield format_fault(f"no more than {max_items} items allowed", pointer)
        if len(value) < min_items:
            yield format_fault(f"no fewer than {min_items} items allowed", pointer)
        for index, item in enumerate(value):
            yield from rule(item, f"{pointer}/{index}")

    return check_list


def object_rule(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """Build a rule for objects with exactly these fields; `variant_rule` checks `type`."""
    fields = {**required, **(optional or {})}

    def check_object(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield format_fault("must be an object", pointer)
            return
        for name in required:
            if name not in value:
                yield format_fault(f"missing required field: {name}", pointer)
        for name, inner in value.items():
            if name in fields:
                yield from fields[name](inner, f"{pointer}/{name}")
            elif name != "type":
                yield format_fault(f"invalid additional property: {name}", pointer)

    return check_object


def variant_rule(rules: Mapping[str, Rule], description: str = "type") -> Rule:
    """Build a rule for objects whose `type` field selects their schema."""

    def check_variant(value: Any, pointer: str) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        rule = rules.get(kind) if isinstance(kind, str) else None
        if rule is None:
            yield format_fault(f"unsupported {description}: {kind}", pointer)
        else:
            yield from rule(value, pointer)

    return check_variant
