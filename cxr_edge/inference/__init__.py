"""Predictions for images: classify, explain, watch, their rows as text, and the check of golden vectors."""
