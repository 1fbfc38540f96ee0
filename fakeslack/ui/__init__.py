"""Web page for people: routes, visibility rules and static files."""
