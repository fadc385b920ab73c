"""Structural checks of model files in plain Python, before any native code reads them."""
