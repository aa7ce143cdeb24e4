"""Faults at random moments, many of them: what `make test` shows in short, at length. Run by `make chaos`."""
