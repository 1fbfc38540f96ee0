"""Environment variables of the processes that tests, benchmarks and chaos runs start."""

import os
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[1]
INHERITED_VARIABLES: Final = ("PATH", "HOME", "LANG")
COVERAGE_VARIABLES: Final = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
TRACE_PROCESSES: Final = "TRACE_PROCESSES"
"""Environment variable: if set, coverage traces the product's processes too."""


def clean_environment(**variables: str) -> dict[str, str]:
    """Return a clean environment with `variables`, in which torch uses one thread."""
    traced = COVERAGE_VARIABLES if os.environ.get(TRACE_PROCESSES) else ()
    names = (*INHERITED_VARIABLES, *traced)
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    return inherited | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"} | variables
