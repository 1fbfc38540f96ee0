"""Leak scanner: reads Redis, its files, health pages, RQ's tool and /proc, to search for words."""

import contextlib
import re
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

ZLIB_HEADER: Final = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
MAX_STREAM_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a stream that are searched: more than a job has."""


class RedisEntry(NamedTuple):
    """A key's name, its TTL in seconds (-1 without expiry), and its decompressed content."""

    key: str
    ttl: int
    value: bytes


def read_all_entries(client: redis.Redis) -> list[RedisEntry]:
    """Return the content of every key in Redis."""
    entries = []
    for key in client.scan_iter(count=1000):
        value = b"\n".join(map(_decompress_value, _read_values(client, key)))
        entries.append(RedisEntry(key.decode("utf-8", "replace"), int(str(client.ttl(key))), value))
    return entries


def find_entries(entries: Iterable[RedisEntry], *words: str) -> list[RedisEntry]:
    """Return the entries that contain one of these words."""
    return [entry for entry in entries if any(word.encode() in entry.value for word in words)]


def find_words_in_file(path: Path, words: Iterable[str]) -> set[str]:
    """
    Return the words that a file of Redis holds, in plain bytes or in zlib's format.

    Redis must not compress the values itself (`rdbcompression no`).
    """
    content = path.read_bytes()
    texts = (content, *_find_streams(content))
    return {word for word in words if any(word.encode() in text for text in texts)}


def _find_streams(content: bytes) -> Iterator[bytes]:
    """Yield the content of each stream of zlib, such as the payload of a job."""
    for header in ZLIB_HEADER.finditer(content):
        decompressor = zlib.decompressobj()
        with contextlib.suppress(zlib.error):
            yield decompressor.decompress(content[header.start() :], MAX_STREAM_BYTES)


def _read_values(client: Any, key: bytes) -> Iterable[bytes]:
    readers: dict[bytes, Callable[[], Iterable[bytes]]] = {
        b"string": lambda: [client.get(key)],
        b"hash": lambda: chain.from_iterable(client.hgetall(key).items()),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"stream": lambda: chain(*(pair for _, f in client.xrange(key) for pair in f.items())),
    }
    # A key may expire between the scan and the read.
    return filter(None, readers.get(client.type(key), list)())


def _decompress_value(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def read_health_page(port: int, path: str) -> str:
    """Return a health page, also with an error status."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())


def run_rq_info(url: str) -> str:
    """Return the output of `rq info` about queues and workers."""
    completed = subprocess.run(
        [Path(sys.executable).with_name("rq"), "info", "--url", url],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return completed.stdout


def read_proc_file(pid: int, name: str) -> list[str]:
    """Return the words of /proc/PID/`name`, `cmdline` or `environ`; none if they are hidden."""
    try:
        content = Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace")
    except PermissionError:
        # The product hides its memory; only root may look.
        return []
    return content.strip("\0").split("\0")
