"""The command `kerasconv`, also as `python -m kerasconv`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is one line while it still loads, too."""
    try:
        from kerasconv import cli
    except KeyboardInterrupt:
        print("kerasconv: error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    cli.main()


if __name__ == "__main__":
    main()
