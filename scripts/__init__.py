"""Repository tools: set-up, pinned requirements, generated documentation."""
