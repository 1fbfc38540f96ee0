"""Secrets in texts: finds them by form or by name, and masks them. Pure, in linear time."""

from contract.masking.growing_text import drop_last_word, mask_growing
from contract.masking.kinds import SecretKind
from contract.masking.masker import (
    SecretMasker,
    is_mask,
    list_masked_kinds,
    mask_secrets,
)

__all__ = [
    "SecretKind",
    "SecretMasker",
    "drop_last_word",
    "is_mask",
    "list_masked_kinds",
    "mask_growing",
    "mask_secrets",
]
