"""The world outside, each piece behind a port: SQL, memory, passwords, clock."""
