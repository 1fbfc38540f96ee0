"""Entry point of the bot: starts it, and stops it on SIGTERM or SIGINT."""

import os
import signal
import sys
import threading

from bot.app import Bot
from bot.audit.command import run_audit
from bot.records.export_command import run_export
from bot.settings import Settings
from bot.smoke.command import run_smoke
from contract import logs
from contract.process_memory import protect_memory
from contract.settings import SettingsError
from contract.variable_names import log_unknown_variables

SETTINGS_ERROR_EXIT_CODE = 2
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
MAX_STOP_SECONDS = 20
"""Seconds after which the process exits, even if threads still wait for a Redis that hangs."""


def main() -> int:
    """Run the bot, or another command; return the exit status, 2 for a wrong setting."""
    try:
        if sys.argv[1:2] == ["export"]:
            return run_export(sys.argv[2:])
        if sys.argv[1:2] == ["reply"]:
            return run_audit(sys.argv[2:])
        if sys.argv[1:2] == ["smoke"]:
            return run_smoke(sys.argv[2:])
        _run_bot()
    except SettingsError as error:
        print(f"bot: {error}", file=sys.stderr)  # noqa: T201
        return SETTINGS_ERROR_EXIT_CODE
    return 0


def _run_bot() -> None:
    """Run the bot until a signal. Raises `SettingsError`."""
    Settings.parse_command_line(
        "bot",
        "StarChat Slack bot. Configured by environment variables alone. "
        "`python -m bot export --help` tells how to export the votes, and `python -m bot reply "
        "--help` how to see what is known about a reply.",
    )
    protect_memory()
    stop = threading.Event()
    # Not a signal handler: it could interrupt the thread that holds the event's lock, and deadlock.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    threading.Thread(target=_stop_on_signal, args=(stop,), name="signals", daemon=True).start()
    settings = Settings.from_environment()
    logs.configure_logging("bot", settings.starchat_log_level)
    log_unknown_variables()
    Bot(settings).run_until(stop)


def _stop_on_signal(stop: threading.Event) -> None:
    """Set `stop` on the first signal; exit the process on the second, or when time is up."""
    signal.sigwait(STOP_SIGNALS)
    stop.set()
    signal.sigtimedwait(STOP_SIGNALS, MAX_STOP_SECONDS)
    # Safe at any time: Slack delivers requests without an acknowledgement again.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
