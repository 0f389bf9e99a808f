"""`python -m qfin` is `qfin`."""

from qfin.cli.main import main

if __name__ == "__main__":
    main()
