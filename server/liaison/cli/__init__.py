"""The command `liaison`. Nothing is imported before it is needed: `liaison --help` answers at once."""

import sys

# EX_UNAVAILABLE of sysexits.h.
_UNAVAILABLE = 69


def main() -> None:
    """Run the command line and exit. The base install carries the bot SDK only, and says what is missing."""
    try:
        from liaison.cli.root import run
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "liaison":
            raise
        print(
            f"liaison: the command line needs {missing.name}; install it by: pip install 'liaison[server]'",
            file=sys.stderr,
        )
        sys.exit(_UNAVAILABLE)
    run()
