"""State of the workspace. Pure: no module here imports the web server."""
