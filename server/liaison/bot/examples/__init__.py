"""Bots to read and to begin from; each runs by `python -m liaison.bot.examples.NAME`."""
