"""Converters from a deployment to TFLite and ONNX, one adapter for each format behind the protocol `base.Converter`.

What belongs here: what a format's own libraries and bytes need, and the metadata that its files carry. What does not:
which artifacts are made and whether they are good enough (`conversion`), and how int8 weights are found (`repair`).
"""
