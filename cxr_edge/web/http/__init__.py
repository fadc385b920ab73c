"""Requests on their way in: who may ask, how large a body may be, and refusals that reach the client.

Nothing here knows what a request is for.
"""
