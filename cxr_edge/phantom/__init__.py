"""Simulated frontal chest radiographs with lesion masks: the data set that is always there, and its exact ground truth.

A radiograph is a projection of attenuation along the X-ray beam through a parametric chest. Patient, disease and
technique are drawn from three random streams, so nothing about how an image was taken can tell its class. Reading the
set as a data set belongs to `data`.
"""
