"""The Slack bot: Slack requests in, jobs out."""
