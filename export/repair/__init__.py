"""The int8 repair: equalisation, ranges, rounding and fitting of layers, judged against a budget."""
