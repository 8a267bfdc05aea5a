"""``python -m wordalloc``: the same as the command ``wordalloc``."""

from wordalloc.cli import main

if __name__ == "__main__":
    main()
