"""Loader of the Lua scripts beside this module; each script runs atomically in Redis."""

from importlib.resources import files
from typing import NamedTuple

from contract.scripts import ACCEPT, KEY_TYPES, TEXT_INDEX


class ScriptCall(NamedTuple):
    """Keys and arguments of one call of a script."""

    keys: list[str]
    args: list[str | int | float]


def load_script(name: str) -> str:
    """Return the text of a script, such as `withdraw` for `withdraw.lua`."""
    return KEY_TYPES + _read_file(name)


def load_text_script(name: str) -> str:
    """Return the text of a script that writes or drops cached text, with its functions."""
    return TEXT_INDEX + _read_file("_copy") + load_script(name)


def load_accept_script() -> str:
    """Return the text of the script that accepts a question and follows its thread."""
    return (
        KEY_TYPES  # all keys, before the first write
        + _as_function("accept_question", ACCEPT)
        + _as_function("store_copy", load_text_script("store_copy"))
        + _as_function("join_thread", load_script("join_thread"))
        + _read_file("accept_and_follow")
    )


def _as_function(name: str, script: str) -> str:
    """Return a script as a Lua function of the keys and arguments that it names."""
    return f"local function {name}(KEYS, ARGV)\n{script}\nend\n"


def _read_file(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text("utf-8")
