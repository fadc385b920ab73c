"""Models that the web application offers: shipped, given at the start or uploaded, with their figures."""
