"""Image files to pixels, and pictures drawn over them.

The only place that decodes or resizes an image. What a picture means to a classifier belongs to `inference`, and where
image files are found to `data`.
"""
