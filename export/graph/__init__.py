"""The Keras graph that is converted: outputs of the contract, and batch normalisation folded into convolutions.

What belongs here: what is the same for every format. What does not: a format (`convert`), or rounding (`repair`).
"""
