"""Played clock: the wall clock of a foreign process, such as a Redis server, by libfaketime."""

from pathlib import Path
from typing import Final

LIBRARY_PATTERN: Final = "*/faketime/libfaketime.so.1"
LIBRARY_ROOT: Final = Path("/usr/lib")


def find_faketime() -> Path:
    """Return Debian's libfaketime. Raises `FileNotFoundError` if it is not installed."""
    for found in sorted(LIBRARY_ROOT.glob(LIBRARY_PATTERN)):
        return found
    raise FileNotFoundError("no libfaketime: apt-get install libfaketime")


class PlayedClock:
    """Wall clock that a test moves forward. Timers of the process run on as before."""

    def __init__(self, directory: Path) -> None:
        """Keep the offset of the clock in a file in `directory`."""
        self._offset_file = directory / "clock-offset"
        self._library = find_faketime()
        self.set_ahead(0)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the process whose clock is played."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset_file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set_ahead(self, seconds: int) -> None:
        """Set how many seconds the clock is ahead."""
        new = self._offset_file.with_suffix(".new")
        new.write_text(f"+{seconds}\n", "ascii")
        # The process may read the file at any moment.
        new.replace(self._offset_file)
