"""The processes under test, and the faults that can be injected into them."""
