"""`python -m calreg`: the same program where `calreg` is not on the path."""

from calreg.cli import main

if __name__ == "__main__":
    main()
