"""Evaluation: two models on the same held-out dialogues, with intervals for each difference."""
