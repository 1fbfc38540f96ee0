"""Secrets in texts: finds them by form or by name, and masks them. Pure, in linear time."""

from contract.masking.kinds import SecretKind
from contract.masking.masker import SecretMasker, list_masked_kinds, mask_secrets

__all__ = ["SecretKind", "SecretMasker", "list_masked_kinds", "mask_secrets"]
