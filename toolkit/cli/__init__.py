"""The command line: one file per command, which parses options, calls the deployment and prints.

Commands import what they call inside the function, so that `toolkit --help` costs no more than Typer.
"""
