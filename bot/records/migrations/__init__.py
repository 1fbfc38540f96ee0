"""Alembic's migrations of the records' schema; `database.py` runs them at the bot's start."""
