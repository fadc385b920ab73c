"""The structural check of a .tflite file, and the numbers of its schema.

The reader of flatbuffers, which knows nothing of TFLite, stays outside.
"""
