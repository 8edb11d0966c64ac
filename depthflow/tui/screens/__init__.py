"""One module for each place of the interface, its looks in the .tcss file beside it."""
