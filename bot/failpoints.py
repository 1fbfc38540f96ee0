"""Failpoints of the bot: moments at which a test may kill or pause the process."""

from enum import StrEnum

from contract import failpoints


class Failpoint(StrEnum):
    """Moment in the life of a question at which a crash must lose and repeat nothing."""

    BEFORE_ENQUEUE = "before_enqueue"
    AFTER_ENQUEUE = "after_enqueue"
    BEFORE_READ = "before_read"
    DURING_READ = "during_read"
    AFTER_FILL = "after_fill"
    AFTER_NOTICE_RECORD = "after_notice_record"
    AFTER_NOTICE_POST = "after_notice_post"
    AFTER_ASK_RECORD = "after_ask_record"
    AFTER_ASK_POST = "after_ask_post"
    AFTER_STOP_RECORD = "after_stop_record"
    AFTER_STOP_SHOWN = "after_stop_shown"
    AFTER_VOTE_RECORD = "after_vote_record"
    AFTER_VOTE_STORED = "after_vote_stored"
    AFTER_RAN_LINE = "after_ran_line"
    AFTER_RULES_SAVED = "after_rules_saved"
    AFTER_DELETION_RECORD = "after_deletion_record"
    AFTER_PART_DELETED = "after_part_deleted"
    AFTER_CODE_RECORD = "after_code_record"
    AFTER_CODE_UPLOADED = "after_code_uploaded"
    AFTER_CODE_SHARED = "after_code_shared"


class Failpoints(failpoints.Failpoints):
    """Armed failpoints of a bot."""

    points = Failpoint
