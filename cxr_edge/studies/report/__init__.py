"""What a study leaves: its result, which becomes study.json, and the page and figures that are made of it.

Nothing here trains or measures; a result only says what was found.
"""
