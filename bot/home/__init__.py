"""Home tab: what it shows to a person, its sentences and its controls. Pure."""
