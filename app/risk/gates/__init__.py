"""The gates an entry must pass, one a file."""
