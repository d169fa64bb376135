"""The domain as pure values and functions: no I/O, no clock, no task, no randomness, no logging."""
