"""
Driver inside the container: runs code, calls its function, and writes what it returned.

It runs alone, by `python3 -I -c`, with the standard library of Python 3.8 or later. It never sees
the expected values, so code can't pass by looking for them.
"""

import json
import os
import sys
from typing import Any


def main() -> None:
    """Read a request from stdin, and write a list with one entry for each call."""
    request = json.load(sys.stdin)
    output = os.dup(1)
    # What the code prints is not wanted, and must not look like an answer.
    silence = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silence, number)
    scope: dict[str, Any] = {"__name__": "answer"}
    try:
        exec(request["code"], scope)  # noqa: S102 - the purpose of this process
        function = scope[request["function"]]
    except BaseException:  # noqa: BLE001 - code may raise anything
        results: list[Any] = [None for _ in request["calls"]]
    else:
        results = [call_function(function, arguments) for arguments in request["calls"]]
    os.write(output, json.dumps(results).encode())
    os._exit(0)


def call_function(function: Any, arguments: Any) -> Any:
    """Return a list with what a call returned; `None` if it raised, or returned no JSON value."""
    try:
        return json.loads(json.dumps([function(*arguments)], allow_nan=False))
    except BaseException:  # noqa: BLE001 - code may raise anything
        return None


if __name__ == "__main__":
    main()
