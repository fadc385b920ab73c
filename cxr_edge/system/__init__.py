"""Files, progress, locks and other services of the operating system. Nothing here knows of images or models."""
