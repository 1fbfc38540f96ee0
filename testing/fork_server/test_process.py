"""Test process of a parallel run: does what execnet's `python -c` does, in a fork."""

import ast
import sys

import coverage

if __name__ == "__main__":
    coverage.process_startup()
    exec(ast.literal_eval(sys.stdin.readline()))  # noqa: S102 - execnet sends its own code
