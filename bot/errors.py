"""What Slack's client may raise where Slack cannot be reached, is too busy, or refuses."""

from http.client import HTTPException
from typing import Final

from slack_sdk.errors import SlackApiError

SLACK_AWAY: Final = (SlackApiError, OSError, HTTPException)
"""A refusal, a broken connection, an answer that breaks off."""
