"""Home tab: gathers what a person sees, publishes it, and follows its controls."""
