"""Command line of the benchmarks: `python -m bench replies`, `python -m bench queue-wait`, …."""

import argparse
from collections.abc import Sequence
from typing import Any

from bench.engine import command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark that the command line names and print its table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Run one benchmark and print its Markdown table."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    replies = commands.add_parser("replies", help="latency, calls and memory around the model")
    replies.add_argument(
        "--runs",
        type=int,
        default=3,
        help="runs, of which the table shows medians (default: %(default)s)",
    )
    replies.add_argument(
        "--burst", type=int, default=100, help="mentions sent at once (default: %(default)s)"
    )
    replies.add_argument(
        "--sequential", type=int, default=20, help="mentions sent one by one (default: %(default)s)"
    )
    queue_wait = commands.add_parser("queue-wait", help="accuracy of the estimated queue wait")
    queue_wait.add_argument(
        "--questions", type=int, default=40, help="questions in one burst (default: %(default)s)"
    )
    _add_service_benchmarks(commands)
    engine = commands.add_parser(
        "engine", help="throughput of our engine and of others, on one core"
    )
    command.add_options(engine)
    speculation = commands.add_parser(
        "speculation", help="gain and cost of speculative decoding, on a CPU"
    )
    speculation.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="runs, of which the table shows medians (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    benchmarks = {
        "replies": _run_replies,
        "queue-wait": _run_queue_wait,
        "hostile-sockets": _run_hostile_sockets,
        "thread-memory": _run_thread_memory,
        "purge-time": _run_purge_time,
        "canaries": _run_canaries,
        "layout": _run_layout,
        "slow-reads": _run_slow_reads,
        "flood": _run_flood,
        "stop-time": _run_stop_time,
        "engine": command.main,
        "speculation": _run_speculation,
    }
    print(benchmarks[options.command](options))


def _add_service_benchmarks(commands: Any) -> None:
    """Add the benchmarks of bot and Redis, and of the layout of replies."""
    hostile = commands.add_parser("hostile-sockets", help="HTTP mode beside hostile sockets")
    hostile.add_argument(
        "--sockets", type=int, default=1000, help="hostile sockets (default: %(default)s)"
    )
    hostile.add_argument(
        "--seconds", type=float, default=30.0, help="seconds of requests (default: %(default)s)"
    )
    memory = commands.add_parser("thread-memory", help="memory of long threads in the cache")
    memory.add_argument("--threads", type=int, default=50, help="threads (default: %(default)s)")
    memory.add_argument(
        "--length", type=int, default=4000, help="messages of each (default: %(default)s)"
    )
    purge = commands.add_parser("purge-time", help="time of forget and uninstall")
    purge.add_argument(
        "--keys", type=int, default=200_000, help="keys in Redis (default: %(default)s)"
    )
    commands.add_parser("canaries", help="text in Redis and its files after each end of text")
    commands.add_parser("layout", help="time to lay out the longest replies").add_argument(
        "--rounds", type=int, default=5, help="layouts of each pattern (default: %(default)s)"
    )
    slow_reads = commands.add_parser("slow-reads", help="acknowledgements beside slow reads")
    slow_reads.add_argument(
        "--threads", type=int, default=100, help="slow threads (default: %(default)s)"
    )
    slow_reads.add_argument(
        "--questions", type=int, default=200, help="questions elsewhere (default: %(default)s)"
    )
    commands.add_parser("stop-time", help="time until a stopped reply frees its slot").add_argument(
        "--replies", type=int, default=40, help="stopped replies (default: %(default)s)"
    )
    flood = commands.add_parser("flood", help="waits beside a flood, under Slack's rate limits")
    flood.add_argument("--questions", type=int, default=45, help="of eight (default: %(default)s)")
    flood.add_argument("--flood", type=int, default=50, help="of a ninth (default: %(default)s)")
    flood.add_argument("--threads", type=int, default=20, help="threads (default: %(default)s)")


def _run_thread_memory(options: argparse.Namespace) -> str:
    from bench import thread_memory  # noqa: PLC0415 - each benchmark has its own libraries

    return thread_memory.format_memory(
        thread_memory.measure_memory(options.threads, options.length)
    )


def _run_canaries(_: argparse.Namespace) -> str:
    from bench import canaries  # noqa: PLC0415 - each benchmark has its own libraries

    return canaries.format_canaries(canaries.measure_canaries())


def _run_layout(options: argparse.Namespace) -> str:
    from bench import layout  # noqa: PLC0415 - each benchmark has its own libraries

    return layout.format_layout(layout.measure_layout(options.rounds))


def _run_replies(options: argparse.Namespace) -> str:
    from bench import replies  # noqa: PLC0415 - each benchmark has its own libraries

    return replies.format_figures(
        [replies.measure_replies(options.burst, options.sequential) for _ in range(options.runs)]
    )


def _run_queue_wait(options: argparse.Namespace) -> str:
    from bench import queue_wait  # noqa: PLC0415

    return queue_wait.format_waits(queue_wait.measure_waits(options.questions))


def _run_hostile_sockets(options: argparse.Namespace) -> str:
    from bench import hostile_sockets  # noqa: PLC0415

    return hostile_sockets.format_figures(
        hostile_sockets.measure_hostile_sockets(options.sockets, options.seconds)
    )


def _run_purge_time(options: argparse.Namespace) -> str:
    from bench import purge_time  # noqa: PLC0415

    return purge_time.format_times(purge_time.measure_purge(options.keys))


def _run_flood(options: argparse.Namespace) -> str:
    from bench import flood  # noqa: PLC0415

    alone, flooded = (
        flood.measure_flood(options.questions, number, options.threads)
        for number in (0, options.flood)
    )
    return flood.format_figures(alone, flooded)


def _run_stop_time(options: argparse.Namespace) -> str:
    from bench import stop_time  # noqa: PLC0415

    return stop_time.format_stops(stop_time.measure_stops(options.replies))


def _run_slow_reads(options: argparse.Namespace) -> str:
    from bench import slow_reads  # noqa: PLC0415

    return slow_reads.format_figures(
        slow_reads.measure_slow_reads(options.threads, options.questions)
    )


def _run_speculation(options: argparse.Namespace) -> str:
    from bench import speculation  # noqa: PLC0415

    return speculation.format_speedups(speculation.measure_speculation(options.rounds))


if __name__ == "__main__":
    main()
