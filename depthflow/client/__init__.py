"""Speaks with a running daemon; it knows the contract (`models`) and nothing of how the daemon works."""
