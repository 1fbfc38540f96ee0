"""`python -m worker`: exits 0 when drained, 1 after a failure and 2 for a wrong setting."""

import asyncio
import gc
import os
import sys
import threading
from typing import Final

from contract import logs
from contract.process_memory import protect_memory
from contract.settings import SettingsError
from contract.variable_names import log_unknown_variables
from worker.app import run_worker
from worker.settings import Settings

SWITCH_INTERVAL_SECONDS: Final = 0.001
"""Seconds after which a thread that renders lets the event loop run; Python's default is 5 ms."""
EXIT_SECONDS: Final = 5.0
"""Seconds from the end of all work to the exit; a thread may wait for Redis for a minute."""


def main() -> int:
    """Run the worker; print a failure as one line on stderr."""
    Settings.parse_command_line(
        "worker", "StarChat worker. Configured by environment variables alone."
    )
    protect_memory()
    # A full collection of the imports, which stay, would stop the event loop for 20 to 80 ms.
    gc.freeze()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        settings = Settings.from_environment()
        logs.configure_logging("worker", settings.starchat_log_level)
        log_unknown_variables()
        failure = asyncio.run(_run_and_exit(settings))
    except SettingsError as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if failure is not None:
        print(f"worker: {failure}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _run_and_exit(settings: Settings) -> str | None:
    """Run the worker; then exit in time, although Python would wait for all threads."""
    failure = await run_worker(settings)
    exiting = threading.Timer(EXIT_SECONDS, os._exit, (0 if failure is None else 1,))
    exiting.daemon = True
    exiting.start()
    return failure


if __name__ == "__main__":
    sys.exit(main())
