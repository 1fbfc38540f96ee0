"""Loader of the Lua scripts beside this module; each script runs atomically in Redis."""

from importlib.resources import files

from contract.scripts import KEY_TYPES, TEXT_INDEX


def load_script(name: str) -> str:
    """Return the text of a script, such as `withdraw` for `withdraw.lua`."""
    return KEY_TYPES + _read_file(name)


def load_text_script(name: str) -> str:
    """Return the text of a script that writes or drops cached text, with its functions."""
    return TEXT_INDEX + _read_file("_copy") + load_script(name)


def _read_file(name: str) -> str:
    return files(__package__).joinpath(f"{name}.lua").read_text("utf-8")
