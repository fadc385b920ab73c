"""From a trained bundle to TFLite and ONNX artifacts.

What belongs here: the export of a bundle (`pipeline`), its recipes, the films that it draws and checks, and the golden
vectors of what it made; the Keras graph, the converters and the int8 repair have rooms of their own below. What does
not: training, measuring what an artifact is worth (`benchmarks`), and running one (`runtimes`, `inference`).

`pipeline` imports nothing heavy: TensorFlow comes with `conversion`, by way of `native_stderr.import_tensorflow`.
"""
