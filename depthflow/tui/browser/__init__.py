"""The terminal interface in a browser: its page, who may open it, and a process of the app for each page."""
