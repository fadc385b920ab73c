"""What a training leaves: a bundle with the model, its figures, plots and a model card.

What belongs here: everything that is done once, when the last epoch is over. What does not: the course of a training
(`fit`), and the formulas behind the figures (`metrics`).
"""
