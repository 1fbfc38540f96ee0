"""
Runs a program of ours with a resolver that may fail: `python -m testing.broken_resolver FILE bot`.

As long as the file is there, no name can be resolved; without it `slack.test` is this machine. It
is Python's resolver that is replaced: another one for a whole machine only its owner can choose.
"""

import runpy
import socket
import sys
from pathlib import Path
from typing import Any, Final

HOST_NAME: Final = "slack.test"
LOCAL_ADDRESS: Final = "127.0.0.1"


def main(file: str, module: str) -> None:
    """Become this program, with the resolver replaced before it has imported anything."""
    _replace_resolver(Path(file))
    sys.argv[1:] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _replace_resolver(failure_file: Path) -> None:
    real = socket.getaddrinfo

    def resolve_host(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != HOST_NAME:
            return real(host, *arguments, **options)
        if failure_file.exists():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(LOCAL_ADDRESS, *arguments, **options)

    socket.getaddrinfo = resolve_host


if __name__ == "__main__":
    main(*sys.argv[1:])
