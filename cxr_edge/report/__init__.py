"""Pieces that every report is made of: SVG, HTML, Markdown, and the drawing of a ROC curve in both techniques.

What belongs here: what two reports share. What does not: anything that knows whose result is shown, such as a bench
result or a study.
"""
