"""`edge`, or `python -m edge`: the command line, with Ctrl-C heard already while its modules are imported."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    try:
        from edge.cli import main as run
    except KeyboardInterrupt:
        sys.exit("error: Interrupted.\n  cure: Start it again; what was finished is kept.")
    run()


if __name__ == "__main__":
    main()
