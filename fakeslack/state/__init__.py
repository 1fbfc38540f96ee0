"""The state of the workspace; pure."""
