"""From a trained bundle to TFLite and ONNX artifacts."""

import os

# Before TensorFlow's first import: its start-up log tells a user nothing.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
