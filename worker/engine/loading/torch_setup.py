"""Process-wide torch settings: CPU threads, attention kernels and library warnings."""

import logging
import os
import warnings
from pathlib import Path
from typing import Final

import torch

from worker.engine.protocol import EngineConfig

CPU_QUOTA_FILE: Final = Path("/sys/fs/cgroup/cpu.max")
"""CPU limit of a container (cgroup v2): quota and period in microseconds."""


def configure_torch(config: EngineConfig) -> None:
    """
    Set the number of CPU threads, silence library warnings, and keep cuDNN out of attention.

    cuDNN builds a plan for each new shape of scaled dot product attention, in up to a second, and
    steps with prefill have a new shape nearly each time (pytorch/pytorch#196678).
    """
    torch.set_num_threads(config.threads or min(torch.get_num_threads(), count_usable_cores()))
    torch.backends.cuda.enable_cudnn_sdp(False)  # noqa: FBT003 - torch takes it by position
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def count_usable_cores(quota_file: Path = CPU_QUOTA_FILE) -> int:
    """
    Return the number of cores that this process may use, less one for the parent; at least one.

    A step waits for its slowest thread. On two busy cores, two threads are slower than one.
    """
    cores = float(len(os.sched_getaffinity(0)))
    try:
        share, period = quota_file.read_text("ascii").split()
        cores = min(cores, int(share) / int(period))
    except (OSError, ValueError):
        pass  # not a container, or one without a limit
    return max(1, int(cores) - 1)
