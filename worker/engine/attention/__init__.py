"""Attention over the KV cache: storage, batch layouts, and the backend that transformers calls."""
