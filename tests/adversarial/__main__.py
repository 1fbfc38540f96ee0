"""Command `python -m tests.adversarial`: prints all cases, one a line, as JSON."""

import json
from dataclasses import asdict

from tests.adversarial import build_all_cases

if __name__ == "__main__":
    for case in build_all_cases():
        print(json.dumps(asdict(case), default=repr))  # noqa: T201
