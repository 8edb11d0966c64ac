"""`python -m depthflow`: the program."""

from depthflow.cli import main

main()
