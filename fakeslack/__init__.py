"""A Slack workspace on your own machine, strict where Slack is strict; knows nothing of the bot."""
