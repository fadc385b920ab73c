"""What every output says of this software: its version, and that it is for research only."""

from __future__ import annotations

__all__ = ["RESEARCH_ONLY", "__version__"]

__version__ = "0.1.0"

RESEARCH_ONLY = "For research only; not for diagnosis."
