"""`toolkit mcp`."""

from __future__ import annotations


def mcp() -> None:
    """Serve tools that read, plan and rehearse to an AI agent, over standard input and output (MCP)."""
    import sys

    from toolkit.console import Console
    from toolkit.errors import PreflightError
    from toolkit.project import Project, own_code

    project = Project.find()
    try:
        from toolkit.mcp import server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("anyio", "mcp", "mcp_types"):
            raise
        locked = own_code() / "requirements" / "mcp.txt"
        raise PreflightError(
            "cannot start the MCP server: the package mcp is not installed",
            remedy=f"{sys.executable} -m pip install --no-deps --require-hashes -r {locked}",
        ) from None
    if sys.stdin.isatty():
        Console().line("waiting for an agent on standard input; Ctrl-C stops")
    server.serve(project)
