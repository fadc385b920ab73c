"""What an artifact predicts, and how far that is from what the reference predicts on the same images."""
