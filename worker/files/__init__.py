"""Files of threads: downloaded from Slack with care, recognized as text, kept in Redis."""
