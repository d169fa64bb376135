"""Liaison: real-time chat and presence for an office that two delegations share."""

__version__ = "0.1.0"
