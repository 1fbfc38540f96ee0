"""
Hints about safety: places in code where a known kind of mistake may be.

Rules look at syntax trees. They see no program as a whole, so code without a hint isn't safe, and a
hint may be about code that is fine.
"""
