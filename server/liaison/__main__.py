"""`python -m liaison`, the same as `liaison`."""

from liaison.cli import main

if __name__ == "__main__":
    main()
