"""Loader of the Lua scripts beside this module; each script runs atomically in Redis."""

from importlib.resources import files


def load_script(name: str) -> str:
    """Return the text of a script, such as `withdraw` for `withdraw.lua`."""
    return files(__package__).joinpath(f"{name}.lua").read_text("utf-8")
