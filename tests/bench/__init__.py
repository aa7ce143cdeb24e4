"""Benchmarks: the platform beside its peers and limits on one machine, alternating. Never part of the tests."""
