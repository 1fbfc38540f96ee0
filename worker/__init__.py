"""Worker: takes jobs from the queue, generates replies and posts them to Slack."""
