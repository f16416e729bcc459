"""The server of `toolkit mcp`: commands that only read, as tools for AI agents."""
