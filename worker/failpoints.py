"""Failpoints of the worker: named points at which a test kills or pauses the process."""

from enum import StrEnum

from contract import failpoints


class Failpoint(StrEnum):
    """A point in the life of a reply. A crash there must lose nothing that came before it."""

    DEQUEUED = "dequeued"
    CLAIMED = "claimed"
    BEFORE_PLACEHOLDER = "before_placeholder"
    AFTER_PLACEHOLDER_POST = "after_placeholder_post"
    AFTER_PLACEHOLDER_SAVED = "after_placeholder_saved"
    AFTER_SURPLUS_DELETED = "after_surplus_deleted"
    GENERATING = "generating"
    BEFORE_ANSWER_SAVED = "before_answer_saved"
    AFTER_ANSWER_SAVED = "after_answer_saved"
    AFTER_FINAL = "after_final"
    AFTER_PART_POST = "after_part_post"
    AFTER_FILE_UPLOADED = "after_file_uploaded"
    AFTER_FILE_POST = "after_file_post"
    BEFORE_FINISH = "before_finish"
    AFTER_FINISH = "after_finish"


class Failpoints(failpoints.Failpoints):
    """Armed failpoints of a worker."""

    points = Failpoint
