"""What keeps the repository in order: set-up, pinned requirements, papers that cannot lie."""
