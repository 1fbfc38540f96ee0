"""Votes on the replies of one model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelVotes:
    """
    Votes on the replies of one model, and what the parsers found in these replies.

    `blocks` are the code blocks that a parser has read; `parsed_blocks` of them parse.
    """

    model: str
    revision: str
    up: int
    down: int
    ran: int
    parsed_blocks: int
    blocks: int
