"""The Price List API, with the prices of the toolkit's table."""
