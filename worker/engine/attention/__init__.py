"""Attention over slots: whose keys and values lie where, and how a layer looks back on them."""
