"""The paper's experiments as commands: each a list of trainings, a result as JSON, figures, and a page of its own.

A study stands on top of everything: it may use training, export and benchmarks, and none of these knows of it. What
train, export or bench need themselves does not belong here.
"""
