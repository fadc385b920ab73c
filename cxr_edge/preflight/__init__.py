"""Structural checks of model files in plain Python, before any native code reads them.

Here belongs what reads the bytes of a model without a runtime. Whether a file has to be checked is decided in
`models`; running what passed in a limited process is the part of `sandbox`.
"""
