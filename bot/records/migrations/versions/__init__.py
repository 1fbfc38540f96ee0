"""Revisions of the schema, each after its `down_revision`."""
