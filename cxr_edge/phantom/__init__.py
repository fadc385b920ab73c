"""Simulated frontal chest films with lesion masks: the data set that is always there, and its exact ground truth.

A film is a projection of attenuation along the X-ray beam through a parametric chest. Patient, disease and technique
are drawn from three random streams, so nothing about how a film was taken can tell its class.
"""

from __future__ import annotations

from cxr_edge.phantom.film import VISIBLE_TAU, PhantomFilm, lungs_of, render, style_of
from cxr_edge.phantom.lesions import KINDS, LOW_SEVERITY
from cxr_edge.phantom.sets import MANIFEST_COLUMNS, SPLITS, FilmSpec, specs, write_folder
from cxr_edge.phantom.style import SOURCES, Style

__all__ = [
    "KINDS",
    "LOW_SEVERITY",
    "MANIFEST_COLUMNS",
    "SOURCES",
    "SPLITS",
    "VISIBLE_TAU",
    "FilmSpec",
    "PhantomFilm",
    "Style",
    "lungs_of",
    "render",
    "specs",
    "style_of",
    "write_folder",
]
