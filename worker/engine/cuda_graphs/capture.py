"""Records a step as a CUDA graph; the only module here that nothing but a GPU can run."""

from collections.abc import Callable

import torch

Replay = Callable[[], None]


def begin_cuda_capture(device: torch.device) -> Callable[[Replay], Replay]:
    """
    Begin a set of recordings on a CUDA device; what they need for a while they share.

    So one must not be repeated while another is, and what a step leaves must be copied to memory
    from before. Recording raises whatever CUDA or a kernel raises.
    """
    torch.cuda.set_device(device)
    pool = torch.cuda.graph_pool_handle()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def capture_step(step: Replay) -> Replay:
        current_stream = torch.cuda.current_stream(device)
        stream.wait_stream(current_stream)
        with torch.cuda.stream(stream):
            # Libraries choose their kernels and compilers compile at the first run, which must not
            # be recorded.
            step()
        current_stream.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # The outer context leads back to `here` also where recording fails: torch's own does not.
        # Other threads of this process may go on talking to the device.
        with (
            torch.cuda.stream(current_stream),
            torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"),
        ):
            step()
        return graph.replay

    return capture_step
