"""Who is read, who grows and who waits in a step, and what is kept of a thread afterwards."""
