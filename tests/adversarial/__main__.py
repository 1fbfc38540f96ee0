"""Prints the corpus, one case a line as JSON: `python -m tests.adversarial`."""

import json
from dataclasses import asdict

from tests.adversarial import everything

if __name__ == "__main__":
    for case in everything():
        print(json.dumps(asdict(case), default=repr))  # noqa: T201
