"""Take a chest X-ray classifier from training to the phone and the Raspberry Pi. For research only."""

from __future__ import annotations

__all__ = ["RESEARCH_ONLY", "__version__"]

__version__ = "0.1.0"

RESEARCH_ONLY = "For research only; not for diagnosis."
