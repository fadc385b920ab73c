"""Inference runtimes behind one protocol, an adapter each. `models` decides which file may be opened, not this room."""
