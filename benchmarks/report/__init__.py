"""A bench result for people and machines: terminal, CSV, Markdown, JUnit and HTML, a module or more for each.

What belongs here: where each form shows a figure, the markup around it, and which artifact the reports recommend. What
does not: how a figure is read, named and formatted, which `result` declares once for all forms.
"""
