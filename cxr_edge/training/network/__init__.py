"""The classifier's network: backbone and head, the features and activations of its frozen part, its typicality.

What belongs here: what is built from layers, or computed by them for films. What does not: the course of a training
(`fit`), its losses and targets (`distillation`, `ranking`), and the graph that is exported (`cxr_edge.export.graph`).
"""
