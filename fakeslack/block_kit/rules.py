"""The words in which the shapes of Block Kit are written: each rule yields what is wrong."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Rule = Callable[[Any, str], Iterator[str]]
"""Takes a value and the JSON pointer to it; yields one sentence for each fault."""


def fault(what: str, pointer: str) -> str:
    """Return one fault as Slack words it."""
    return f"[ERROR] {what} [json-pointer:{pointer}]"


def string(most: int = 3_000, least: int = 1) -> Rule:
    """A string of `least` to `most` characters."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield fault("must provide a string", pointer)
        elif len(value) > most:
            yield fault(f"must be no more than {most} characters", pointer)
        elif len(value) < least:
            yield fault(f"must be more than {least - 1} characters", pointer)

    return check


def boolean(value: Any, pointer: str) -> Iterator[str]:
    """True or false."""
    if not isinstance(value, bool):
        yield fault("must provide a boolean", pointer)


def number(least: int, most: int) -> Rule:
    """A whole number from `least` to `most`."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            yield fault(f"must be a number from {least} to {most}", pointer)

    return check


def one_of(*allowed: str) -> Rule:
    """One of these words."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if value not in allowed:
            yield fault(f"must be one of {', '.join(allowed)}", pointer)

    return check


def anything(_value: Any, _pointer: str) -> Iterator[str]:
    """Whatever it is; for parts of Block Kit that the workspace does not look into."""
    return iter(())


def items(rule: Rule, most: int, least: int = 1) -> Rule:
    """A list of `least` to `most` things that each keep `rule`."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield fault("must provide an array", pointer)
            return
        if len(value) > most:
            yield fault(f"no more than {most} items allowed", pointer)
        if len(value) < least:
            yield fault(f"no fewer than {least} items allowed", pointer)
        for place, item in enumerate(value):
            yield from rule(item, f"{pointer}/{place}")

    return check


def shape(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """An object with exactly these fields; `type` is checked by who picked the shape."""
    fields = {**required, **(optional or {})}

    def check(value: Any, pointer: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield fault("must be an object", pointer)
            return
        for name in required:
            if name not in value:
                yield fault(f"missing required field: {name}", pointer)
        for name, inner in value.items():
            if name in fields:
                yield from fields[name](inner, f"{pointer}/{name}")
            elif name != "type":
                yield fault(f"invalid additional property: {name}", pointer)

    return check


def by_type(shapes: Mapping[str, Rule], what: str = "type") -> Rule:
    """An object whose `type` says which of the shapes it must have."""

    def check(value: Any, pointer: str) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        rule = shapes.get(kind) if isinstance(kind, str) else None
        if rule is None:
            yield fault(f"unsupported {what}: {kind}", pointer)
        else:
            yield from rule(value, pointer)

    return check
