"""Answering: the pipeline from a claimed job to a posted reply."""
