"""Stop of a bot whose threads hang."""

import subprocess
import sys

from testing.environment import REPOSITORY


def test_bot_ends_although_a_thread_hangs() -> None:
    """After the time for a stop, the process exits: nothing acknowledged is lost."""
    code = """
import signal, threading, time
import bot.__main__ as bot
bot.MAX_STOP_SECONDS = 0.1
signal.pthread_sigmask(signal.SIG_BLOCK, bot.STOP_SIGNALS)
stop = threading.Event()
threading.Thread(target=bot._stop_on_signal, args=(stop,), daemon=True).start()
print("ready", flush=True)
stop.wait()
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(60) == 0
