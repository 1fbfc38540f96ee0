"""What one would write without knowing better: the same harness measures it beside the product."""
