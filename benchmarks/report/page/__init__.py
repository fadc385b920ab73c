"""The report as one HTML page that loads nothing.

What belongs here: the sections of the page and its plots, from `bench_page.render` down. What does not: pieces that
other pages have too (`cxr_edge.report`).
"""
