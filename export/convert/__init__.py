"""Converters to TFLite and ONNX, and the metadata that the files carry."""
