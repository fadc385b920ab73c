"""The Keras graph that is converted: deployment outputs and folded batch normalisation."""
