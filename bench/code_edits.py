"""Questions of the speculative decoding benchmark: edits of code, and open questions."""

from typing import Final

QUESTION_TEMPLATE: Final = "{what}. Write the whole code again.\n\n```\n{code}```"

TOTAL_CODE: Final = '''\
def total(items):
    """Return the sum of the prices of all items."""
    result = 0
    for item in items:
        result = result + item.price * item.count
    return result


def average(items):
    """Return the average price of all items."""
    if not items:
        return 0
    return total(items) / len(items)
'''

STACK_CODE: Final = """\
class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)

    def pop(self):
        return self.items.pop()

    def peek(self):
        return self.items[-1]

    def is_empty(self):
        return len(self.items) == 0
"""

CSV_CODE: Final = """\
import csv

def read_rows(path):
    rows = []
    with open(path) as file:
        reader = csv.DictReader(file)
        for row in reader:
            rows.append(row)
    return rows

def write_rows(path, rows):
    with open(path, "w") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0].keys())
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
"""

USERS_CODE: Final = """\
function findUser(users, name) {
  for (let i = 0; i < users.length; i++) {
    if (users[i].name === name) {
      return users[i];
    }
  }
  return null;
}

function removeUser(users, name) {
  const found = findUser(users, name);
  if (found) {
    users.splice(users.indexOf(found), 1);
  }
}
"""

EDIT_QUESTIONS: Final = tuple(
    QUESTION_TEMPLATE.format(what=what, code=code)
    for what, code in (
        ("Rename the variable result to amount", TOTAL_CODE),
        ("Add a method size that returns the number of items", STACK_CODE),
        ("Add type hints to this code", CSV_CODE),
        ("Rename findUser to lookUpUser", USERS_CODE),
    )
)

OPEN_QUESTIONS: Final = (
    "What is a mutex?",
    "Tell me a story about a lighthouse keeper.",
    "Why is the sky blue?",
    "How do I learn to cook?",
)
