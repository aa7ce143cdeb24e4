"""Flights out of New York in 2013: predict a late arrival, from data in a bucket to predictions on an endpoint."""
