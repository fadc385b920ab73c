"""Take a chest X-ray classifier from training to the phone and the Raspberry Pi. For research only."""

from __future__ import annotations

from cxr_edge.system.about import RESEARCH_ONLY, __version__

__all__ = ["RESEARCH_ONLY", "__version__"]
