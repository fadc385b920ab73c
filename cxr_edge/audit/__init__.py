"""Does a data set, or a classifier, give the class away by other things than the lungs? numpy and scikit-learn only.

Here belong the plain classifiers, the shares of heat maps, and the page of an audit. Trainings of networks are
`studies`; the drift of an export is `benchmarks`.
"""
