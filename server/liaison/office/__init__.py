"""Use cases: what the office does, on top of the core and through ports; the only layer with tasks."""
