"""Monitor of the app's access: asks Slack whether it accepts the app again after a refusal."""

import contextlib
import threading
from collections.abc import Callable
from typing import Final

import structlog

from bot.slack.client import CALL_ERRORS, SlackWebClient

log = structlog.get_logger()

CHECK_INTERVAL_SECONDS: Final = 0.5
"""Seconds between two looks at whether a probe is due."""
JOIN_TIMEOUT_SECONDS: Final = 5.0


class AccessMonitor:
    """Thread that reads the bot token again and probes Slack while it refuses the app."""

    def __init__(
        self,
        client: SlackWebClient,
        read_token: Callable[[], str],
        resume_postponed: Callable[[], None],
    ) -> None:
        """`read_token` returns the current token; `resume_postponed` runs what was refused."""
        self._client = client
        self._read_token = read_token
        self._resume_postponed = resume_postponed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run_loop, name="access", daemon=True)

    def start_thread(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop_thread(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._thread.join(JOIN_TIMEOUT_SECONDS)

    def check_access(self) -> None:
        """Probe Slack if that is due, and resume what was refused once Slack may accept it."""
        access = self._client.access
        # A trial that has passed ends when it is looked at.
        if access.refusal is not None and access.start_probe():
            self._client.token = self._read_token()
            # The client records the result.
            with contextlib.suppress(*CALL_ERRORS):
                self._client.auth_test()
        if not access.is_blocked:
            self._resume_postponed()

    def _run_loop(self) -> None:
        while not self._stopped.wait(CHECK_INTERVAL_SECONDS):
            try:
                self.check_access()
            except Exception:
                # Safety net of the thread: without it, the app would stay refused.
                log.exception("access not checked")
