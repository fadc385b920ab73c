"""Models that the web application offers: shipped, given at the start or uploaded, with their figures.

Nothing here knows of requests or pages.
"""
