"""A conversation as prompt token ids."""
