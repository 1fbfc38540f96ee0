"""Stop conditions: where a reply must end although the model continues. Pure."""
