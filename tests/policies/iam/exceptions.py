EXCEPTIONS: dict = {}
