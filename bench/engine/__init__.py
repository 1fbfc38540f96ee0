"""Engine benchmark: our engine and others on the same model, requests and core, a process each."""
