"""From a name or a directory to a model in memory, with as many slots as fit beside it."""
