"""`python -m study` is `study`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it as later on, in a sentence."""
    try:
        from study.cli.main import study

        study()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
