"""Chat with a deployed model, in a terminal, in a pipe, or on a web page."""
