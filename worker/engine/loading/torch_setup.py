"""Sets up torch and transformers for a process that does nothing but step."""

import logging
import os
import warnings
from pathlib import Path
from typing import Final

import torch

from worker.engine.options import EngineConfig

CPU_QUOTA_FILE: Final = Path("/sys/fs/cgroup/cpu.max")
"""Where a container's share of the processors stands: microseconds of a period, and the period."""


def configure_torch(config: EngineConfig) -> None:
    """Choose the number of threads and keep the libraries to their errors."""
    torch.set_num_threads(config.threads or min(torch.get_num_threads(), count_usable_cores()))
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def count_usable_cores(quota_file: Path = CPU_QUOTA_FILE) -> int:
    """
    Return all cores that this process may use but one, and at least one.

    A step waits for its slowest thread, and the parent needs a core as well: on two busy cores,
    two threads are slower than one.
    """
    cores = float(len(os.sched_getaffinity(0)))
    try:
        share, period = quota_file.read_text("ascii").split()
        cores = min(cores, int(share) / int(period))
    except (OSError, ValueError):
        pass  # no container, or one without a limit
    return max(1, int(cores) - 1)
