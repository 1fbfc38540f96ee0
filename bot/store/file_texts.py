"""File texts: the worker's copies of files, which are deleted with their messages and files."""

from collections.abc import Collection, Sequence
from typing import Final

from redis import Redis

from bot.store.client import decode_reply
from bot.store.scripts import load_text_script
from contract import keys
from contract.attached_files import CachedFile
from contract.job import Thread

ENTRIES_PER_PAGE: Final = 2_000
"""Entries of the index in one page: Redis reads them in a few milliseconds."""


class FileTexts:
    """Deletion of cached files. Methods raise `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        """Use `redis`."""
        self._redis = redis
        self._drop_script = redis.register_script(load_text_script("drop_files"))

    def read_files(
        self, thread: Thread, shares: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], CachedFile]:
        """Return the files that are kept whole; `shares` are file ids with their `ts`."""
        if not shares:
            return {}
        cache = keys.file_cache(thread.team, thread.channel, thread.ts)
        entries = self._redis.hmget(cache, [keys.file_field(*share) for share in shares])
        found = zip(shares, map(CachedFile.from_entry, entries), strict=True)
        return {
            share: file
            for share, file in found
            if file is not None and file.text is not None and not file.is_cut
        }

    def drop_message_files(self, thread: Thread, ts: str, *, keep: Collection[str] = ()) -> None:
        """Delete the texts of a message's files, except those with these ids."""
        cache = keys.file_cache(thread.team, thread.channel, thread.ts)
        self._drop_files(thread.team, cache, "", ts, keep)

    def drop_file(self, team: str, file_id: str) -> int:
        """Delete the texts of a file in all threads; return their number."""
        pattern = keys.file_cache(team, "*", "*")
        index = self._redis.zscan_iter(keys.text_index(team), match=pattern, count=ENTRIES_PER_PAGE)
        caches = [decode_reply(key) for key, _ in index]
        return sum(self._drop_files(team, cache, file_id, "", ()) for cache in caches)

    def _drop_files(
        self, team: str, cache: str, file_id: str, ts: str, keep: Collection[str]
    ) -> int:
        script_keys = [cache, keys.text_index(team), keys.text_sizes(team)]
        return int(self._drop_script(keys=script_keys, args=[file_id, ts, *keep]))
