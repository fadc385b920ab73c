"""Training with TensorFlow and Keras: model, augmentation, stages, card."""

import os

# Before TensorFlow's first import: its start-up log tells a user nothing.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
