"""Image files to pixels, and pictures drawn over them. The only place that decodes or resizes an image."""
