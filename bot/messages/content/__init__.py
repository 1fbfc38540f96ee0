"""Pure: the words that people see in a Slack message, from all fields that may hold them."""
