"""What every provider plugin here shares: the protocol, values, property tables, the process."""
