"""Fingerprints of questions, by which like ones are found without their texts. Pure."""
