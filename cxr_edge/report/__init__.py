"""Pieces of SVG, HTML and Markdown that every report is made of. Nothing here knows what is reported."""
