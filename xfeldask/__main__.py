"""``python -m xfeldask``."""

from xfeldask.cli import main

if __name__ == "__main__":
    main()
