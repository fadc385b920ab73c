"""Data sets: public layouts, lists, splits, and the labelled images to train and measure with. No model runs here."""
