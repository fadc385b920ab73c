"""`python -m cxr_edge`, the same as the command cxr-edge."""

from __future__ import annotations

from cxr_edge.cli.main import main

if __name__ == "__main__":
    main(prog_name="cxr-edge")
