"""`python -m harness`: the command line, for torchrun and for the processes that `--devices` starts."""

from harness.cli.main import main

if __name__ == "__main__":
    main()
