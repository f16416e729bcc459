"""The one place that talks to AWS (or to the embedded cloud, which speaks the same protocols)."""
