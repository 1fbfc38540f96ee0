"""Publication of replies: layout, controls, versions, and what becomes of a failed change."""
