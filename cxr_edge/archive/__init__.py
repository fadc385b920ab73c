"""Archives of films, of any size: what is in one, in which order and parts it is scored, and the shards that come out.

Nothing here holds more than one partition of the archive in memory. docs/archive.md is the guide,
docs/adr/0015-archive-scoring.md has the reasons.
"""
