"""What an artifact predicts, and how far that is from what the reference predicts on the same images.

What belongs here: the images and their truth, asking artifacts for predictions, comparing these, the verdict, the
gallery. What does not: formulas that need no bench (`metrics`), the dataclasses of the outcome (`result.drift_result`).
"""
