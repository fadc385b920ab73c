"""A bench result for people and machines: terminal, CSV, Markdown, JUnit and HTML, a module or more for each.

What belongs here: where a figure stands and the markup around it. What does not: how a figure is read, named and
formatted, which `result` declares once for all of these.
"""
