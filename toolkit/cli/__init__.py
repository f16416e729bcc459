"""The command line: one file a command, each of which parses, calls and prints.

Commands import what they call inside the function, so that `toolkit --help` costs no more than Typer.
"""
