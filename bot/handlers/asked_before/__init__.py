"""Asked before: links to the answers of like questions, and what they need in the database."""
