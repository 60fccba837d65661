"""`python -m runner`."""

import sys


def main() -> None:
    """Run the command line; if Click is not installed, say so and exit with 3."""
    try:
        from runner.cli.main import main as run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("error: the runner needs the module click, which is not installed", file=sys.stderr)
        print("hint: make run, then .venv/bin/python -m runner", file=sys.stderr)
        sys.exit(3)
    run()


if __name__ == "__main__":
    main()
