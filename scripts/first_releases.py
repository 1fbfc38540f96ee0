"""
Years of first releases, in `worker/checks/names/data/first_releases.toml`; prints what changed.

`python -m scripts.first_releases --index URL [NAME…]` asks a simple index with upload times
(PEP 700) for the packages of the list and for further ones. A package stays only if its first
release is after the model's training. An index that lost a package's oldest files tells a later
year, so read the printed differences before you commit them.
"""

import argparse
import json
import tomllib
import urllib.request
from typing import Final

from worker.checks.names.name_lists import DATA_DIRECTORY, normalize_pypi_name

FILE: Final = DATA_DIRECTORY / "first_releases.toml"
LAST_TRAINING_MONTH: Final = "2023-04"
"""Month of the newest data in StarChat-β's training, those of its dialogues."""
ACCEPT: Final = "application/vnd.pypi.simple.v1+json"
TIMEOUT_SECONDS: Final = 60
YEAR: Final = slice(4)
MONTH: Final = slice(7)


def main() -> None:
    """Write the list, and print each line that was added, changed or removed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.first_releases", description=__doc__)
    parser.add_argument("--index", required=True, help="address of the index, with https")
    parser.add_argument("names", nargs="*", metavar="NAME", help="further packages")
    options = parser.parse_args()
    text = FILE.read_text("utf-8")
    former = tomllib.loads(text)["pypi"]
    names = sorted({*former, *map(normalize_pypi_name, options.names)})
    found = {name: fetch_first_month(options.index, name) for name in names}
    newer = {name: month[YEAR] for name, month in found.items() if month > LAST_TRAINING_MONTH}
    for name in names:
        if former.get(name) != newer.get(name):
            print(f"{name}: {former.get(name, 'none')} -> {newer.get(name, 'none')}")
    head = text[: text.index("[pypi]")]
    lines = "".join(f'{name} = "{year}"\n' for name, year in newer.items())
    FILE.write_text(f"{head}[pypi]\n{lines}", "utf-8")


def fetch_first_month(index: str, name: str) -> str:
    """Return the year and month of a package's oldest file, empty if it has none."""
    if not index.startswith("https://"):
        raise SystemExit(f"--index must start with https://, not '{index}'")
    request = urllib.request.Request(  # noqa: S310 - https alone
        f"{index.rstrip('/')}/{name}/", headers={"Accept": ACCEPT}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        files = json.load(response)["files"]
    return min((str(file["upload-time"])[MONTH] for file in files), default="")


if __name__ == "__main__":
    main()
