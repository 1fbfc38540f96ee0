"""Slack workspace simulator for one machine: strict where Slack is strict; it knows no bot."""
