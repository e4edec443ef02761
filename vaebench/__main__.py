"""`python -m vaebench`, the same command as `vaebench`."""

from vaebench.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
