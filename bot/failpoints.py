"""The points at which a test may end or pause the bot."""

from enum import StrEnum

from contract import failpoints


class Failpoint(StrEnum):
    """A moment in the life of a question after which everything so far must still hold."""

    BEFORE_ENQUEUE = "before_enqueue"
    AFTER_ENQUEUE = "after_enqueue"
    AFTER_NOTICE_RECORD = "after_notice_record"
    AFTER_NOTICE_POST = "after_notice_post"


class Failpoints(failpoints.Failpoints):
    """The planned faults of a bot."""

    points = Failpoint
