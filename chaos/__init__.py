"""
Fault injection: `python -m chaos` kills, freezes and disturbs the real processes under load.

A history checker then counts what the injected faults broke: replies that are missing, duplicated,
misplaced or out of order.
"""
