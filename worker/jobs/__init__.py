"""Jobs: taken from RQ, leased, recorded, ended."""
