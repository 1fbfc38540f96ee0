"""
Records: facts that outlast Redis, in a SQL database that only the bot knows.

Redis is the queue and a cache. `Records` in `database.py` is the one way to the database.

To add a table:

1. Define it in a module of this package with `metadata` of `tables.py`. Name the columns of its
   owners `team`, `channel`, `thread_ts`, `message_ts` and `user_id`. Say in
   `info={PURGED_BY: …}` by which of them its rows are purged; `team` is required.
2. Import that module in `migrations/env.py`.
3. Add a file to `migrations/versions/`: `revision` is the next number, `down_revision` the one
   before. Released revisions never change. Only add tables, columns with a default and indexes:
   bots of the former version use the same database during an upgrade.
4. Run `tests/bot/records/`: it compares the migrated schema with the tables, on both databases.

Rules for each use:

- Call `Records.read` or `Records.write` outside of the acknowledgement, or behind a cache that
  knows the age of its values. Each use has a time limit and raises `RecordsUnavailableError`.
- A use that ran into its time limit may still be committed: repeating it must change nothing.
- Texts contain no NUL character, which PostgreSQL does not store. JSON in ASCII has none.
"""
