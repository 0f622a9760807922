"""Who owns the clock, the loop and the I/O."""
