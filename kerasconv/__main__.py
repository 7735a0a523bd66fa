"""`python -m kerasconv` is the command line."""

from kerasconv.cli import main

main()
