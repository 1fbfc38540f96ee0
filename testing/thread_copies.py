"""Copies of threads in Redis, made as the acceptance of a question makes them."""

from redis import Redis

from bot.messages.message import Message
from bot.store.scripts import load_text_script
from bot.store.thread_cache import build_seed_call
from contract.job import Thread


def seed_thread(redis: Redis, thread: Thread, root: Message) -> None:
    """Cache a new thread that consists of its root alone."""
    call = build_seed_call(thread, root)
    redis.register_script(load_text_script("store_copy"))(keys=call.keys, args=call.args)
