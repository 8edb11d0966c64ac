"""The terminal interface: a client of the daemon. It makes no job and draws no frame itself, it asks for them."""
