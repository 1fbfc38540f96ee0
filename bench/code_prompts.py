"""Prompts that ask for code: tasks in five languages, and tasks of one language each."""

from itertools import product
from typing import Final

LANGUAGES: Final = ("Python", "JavaScript", "Java", "Go", "Rust")
TASKS: Final = (
    "reverses the words of a sentence",
    "returns the largest number of a list",
    "checks whether a string is a palindrome",
    "counts how often each word occurs in a text",
    "removes duplicates from a list and keeps the order",
    "computes the n-th Fibonacci number without recursion",
    "merges two sorted lists into one sorted list",
    "finds an element in a sorted list by binary search",
    "sorts a list of numbers by insertion sort",
    "converts a temperature from Celsius to Fahrenheit",
    "tells whether a number is prime",
    "returns the greatest common divisor of two numbers",
    "flattens a list of lists",
    "transposes a matrix",
    "tells whether the brackets of a string are balanced",
    "counts the vowels of a string",
    "groups words by their first letter",
    "splits a list into chunks of a given size",
    "returns the sum of the digits of a number",
    "formats a number of seconds as hours, minutes and seconds",
    "tells whether two words are anagrams",
    "reads a file and returns its number of lines",
    "parses a line of comma separated values",
    "retries a call three times before it fails",
    "caches the results of a slow call",
    "stores items in a stack with push, pop and peek",
)
"""Each ends a request for a function."""
SINGLE_TASKS: Final = (
    "Write a shell script that renames all .txt files of a folder to .md.",
    "Write a shell script that prints the ten largest files below a folder.",
    "Write a shell script that makes a backup of a folder with the date in its name.",
    "Write a shell script that waits until a port answers.",
    "Write a shell script with a function that logs a message with the time.",
    "Write a shell script that counts the lines of all Python files.",
    "Write a JSON document that describes a book with its authors and its chapters.",
    "Write a JSON document with the settings of a web server.",
    "Write a package.json for a small web application.",
    "Write a JSON document with three users, each with a name and an e-mail address.",
    "Write a YAML file with the settings of a database connection.",
    "Write a docker-compose.yml with a web server and a database.",
    "Write a GitHub Actions workflow that runs the tests of a Python project.",
    "Write a TOML file with the settings of a command line program.",
    "Write a pyproject.toml for a small package.",
    "Write an XML document that lists three products with their prices.",
    "Write an HTML page with a form for a name and a password.",
    "Write CSS that centres a box on a page.",
    "Write a TypeScript interface for a user, and a function that greets one.",
    "Write a TypeScript class for a shopping cart.",
    "Write a Ruby method that returns the factorial of a number.",
    "Write a C program that prints the numbers from 1 to 100.",
    "Write a C++ class for a point with a distance to another point.",
    "Write a PHP function that escapes text for HTML.",
    "Write a Lua function that returns the length of a table.",
    "Write a Kotlin data class for a person, and a function that prints it.",
)

CODE_PROMPTS: Final = (
    *(
        f"Write a function in {language} that {task}."
        for task, language in product(TASKS, LANGUAGES)
    ),
    *SINGLE_TASKS,
)
