"""Preparation of data: dialogues from several forms, checked, masked, de-duplicated and split."""
