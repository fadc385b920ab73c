"""The network itself: backbone, head, its frozen part and the features it gives. No data set, no files but weights."""
