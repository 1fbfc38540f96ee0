"""Our engine beside other ones: same model, same requests, same core, one process for each."""
