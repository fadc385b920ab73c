"""The int8 repair: equalisation, ranges, rounding and fitting of layers, judged against a budget.

What belongs here: how integers, scales and biases are chosen, and what that is judged by. What does not: how a format
stores them (`convert`). Only `repair` knows the whole sequence; the other modules each do one part of it.
"""
