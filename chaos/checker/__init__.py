"""
History checker: decides from a recorded history which invariants a run violated.

The model is Jepsen's. A mention is an invocation; the final reply, error or notice in its thread is
its completion. `collector` records both from the workspace's journal while faults are injected,
with each delivery, acknowledgement, API call and log line. After the run, pure functions compare
the history with the invariants of `expectations`. The checker never looks into the product.

Source of the idea: K. Kingsbury, Jepsen (https://jepsen.io).
"""
