"""Votes on replies: buttons, reactions, reasons, and the line of the people for whom code ran."""
