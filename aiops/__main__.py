"""`python -m aiops` and the `aiops` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and status 1."""
    from aiops._kernel_cache import use_own_cache
    from aiops.cli import app
    from aiops.errors import AiopsError

    use_own_cache()
    try:
        app()
    except AiopsError as error:
        sys.stderr.write(f"aiops: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
