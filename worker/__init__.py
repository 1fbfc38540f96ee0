"""The GPU side: jobs in, replies out."""
