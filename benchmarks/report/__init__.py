"""A bench result for people and machines: terminal, CSV, Markdown, JUnit and HTML."""
