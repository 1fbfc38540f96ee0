"""Sets up torch and transformers for a process that does nothing but step."""

import logging
import os
import warnings

import torch

from worker.engine.options import Options


def prepare(options: Options) -> None:
    """Choose the number of threads and keep the libraries to their errors."""
    torch.set_num_threads(options.threads or len(os.sched_getaffinity(0)))
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
