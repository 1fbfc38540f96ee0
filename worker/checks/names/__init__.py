"""
Names in code: whether packages, modules and their attributes are in lists that are shipped.

A name that is in no list may still exist, so a hint asks to check it. Nothing is looked up in a
network. `scripts/name_lists.py` makes the lists.
"""
