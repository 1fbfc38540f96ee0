"""Loader of the Lua scripts beside this module; each script runs atomically in Redis."""

from importlib.resources import files

from contract.scripts import TEXT_INDEX


def load_script(name: str) -> str:
    """Return the text of a script, such as `withdraw` for `withdraw.lua`."""
    return files(__package__).joinpath(f"{name}.lua").read_text("utf-8")


def load_text_script(name: str) -> str:
    """Return the text of a script that writes or drops cached text, with its functions."""
    return TEXT_INDEX + load_script("_copy") + load_script(name)
