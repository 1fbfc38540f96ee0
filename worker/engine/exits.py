"""How the child ends when it cannot go on; torch-free."""

from typing import Final

EXIT_LOAD_FAILED: Final = 66
"""Exit code: the model cannot be loaded. The child's last line says why."""

EXIT_DEVICE_LOST: Final = 70
"""Exit code: the device is in an unknown state."""


class DeviceLostError(Exception):
    """The device is in an unknown state; the process must end and never be used again."""
