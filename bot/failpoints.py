"""The points at which a test may end or pause the bot."""

from enum import StrEnum

from contract import failpoints


class Point(StrEnum):
    """A moment in the life of a question after which everything so far must still hold."""

    BEFORE_ACCEPT = "before_accept"
    AFTER_ACCEPT = "after_accept"
    AFTER_NOTE = "after_note"
    AFTER_NOTICE = "after_notice"


class Faults(failpoints.Failpoints):
    """The planned faults of a bot."""

    points = Point
