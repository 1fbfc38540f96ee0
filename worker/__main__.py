"""`python -m worker`: exits 0 when drained, 1 after a failure and 2 for a wrong setting."""

import asyncio
import sys

from contract import logs
from contract.process_memory import protect_memory
from contract.settings import SettingsError
from worker.app import run_worker
from worker.settings import Settings


def main() -> int:
    """Run the worker; print a failure as one line on stderr."""
    Settings.parse_command_line(
        "worker", "StarChat worker. Configured by environment variables alone."
    )
    protect_memory()
    try:
        settings = Settings.from_environment()
        logs.configure_logging("worker", settings.starchat_log_level)
        failure = asyncio.run(run_worker(settings))
    except SettingsError as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201
        return 2
    if failure is not None:
        print(f"worker: {failure}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
