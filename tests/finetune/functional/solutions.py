"""A right solution of each problem of the functional test, as a model might write it."""

# ruff: noqa: D103

import math
import re
from collections import Counter
from itertools import groupby
from typing import Any


def count_vowels(text: str) -> int:
    return sum(letter in "aeiou" for letter in text.lower())


def second_largest(numbers: list[int]) -> int | None:
    found = sorted(set(numbers))
    return found[-2] if len(found) > 1 else None


def merge_sorted(first: list[int], second: list[int]) -> list[int]:
    return sorted(first + second)


def is_balanced(text: str) -> bool:
    opened, pairs = [], {")": "(", "]": "[", "}": "{"}
    for sign in text:
        if sign in pairs.values():
            opened.append(sign)
        elif sign in pairs and (not opened or opened.pop() != pairs[sign]):
            return False
    return not opened


def run_lengths(text: str) -> list[list[Any]]:
    return [[sign, len(list(run))] for sign, run in groupby(text)]


def to_roman(number: int) -> str:
    values = (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1)
    signs = ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I")
    written = ""
    for value, sign in zip(values, signs):  # noqa: B905
        written += sign * (number // value)
        number %= value
    return written


def rotate_list(items: list[Any], steps: int) -> list[Any]:
    steps = steps % len(items) if items else 0
    return items[len(items) - steps :] + items[: len(items) - steps]


def group_by_length(words: list[str]) -> dict[str, list[str]]:
    return {str(len(word)): [w for w in words if len(w) == len(word)] for word in words}


def longest_common_prefix(words: list[str]) -> str:
    prefix = words[0] if words else ""
    while not all(word.startswith(prefix) for word in words):
        prefix = prefix[:-1]
    return prefix


def flatten(nested: Any) -> list[Any]:
    if not isinstance(nested, list):
        return [nested]
    return [item for part in nested for item in flatten(part)]


def gcd_of_list(numbers: list[int]) -> int:
    return math.gcd(*numbers)


def count_islands(grid: list[list[int]]) -> int:
    land = {(y, x) for y, row in enumerate(grid) for x, cell in enumerate(row) if cell}
    count = 0
    while land:
        count += 1
        open_cells = [land.pop()]
        for y, x in open_cells:
            found = land & {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)}
            land -= found
            open_cells += found
    return count


def parse_duration(text: str) -> int:
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def top_words(text: str, count: int) -> list[str]:
    found = Counter(text.lower().split())
    return sorted(found, key=lambda word: (-found[word], word))[:count]


def transpose(matrix: list[list[Any]]) -> list[list[Any]]:
    return [list(row) for row in zip(*matrix)]  # noqa: B905


def min_coins(coins: list[int], amount: int) -> int:
    fewest = [0] + [amount + 1] * amount
    for total in range(1, amount + 1):
        usable = [fewest[total - coin] + 1 for coin in coins if coin <= total]
        fewest[total] = min([amount + 1, *usable])
    return fewest[amount] if fewest[amount] <= amount else -1


def caesar(text: str, shift: int) -> str:
    moved = ""
    for sign in text:
        if sign.isascii() and sign.isalpha():
            first = ord("a" if sign.islower() else "A")
            moved += chr((ord(sign) - first + shift) % 26 + first)
        else:
            moved += sign
    return moved


def is_valid_ipv4(text: str) -> bool:
    parts = text.split(".")
    numbers = [part for part in parts if part.isdecimal() and str(int(part)) == part]
    return len(parts) == len(numbers) == 4 and all(int(part) < 256 for part in numbers)


def topological_order(edges: list[list[int]], count: int) -> list[int] | None:
    order: list[int] = []
    while len(order) < count:
        blocked = {b for a, b in edges if a not in order}
        free = [task for task in range(count) if task not in blocked and task not in order]
        if not free:
            return None
        order.append(free[0])
    return order


def sliding_maximum(numbers: list[int], size: int) -> list[int]:
    return [max(numbers[n : n + size]) for n in range(len(numbers) - size + 1)]
