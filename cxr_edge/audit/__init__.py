"""Does a data set, or a classifier, give the class away by other things than the lungs? numpy and scikit-learn only."""
