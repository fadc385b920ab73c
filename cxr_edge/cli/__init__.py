"""The command line, a module a group of commands: parse, call, print.

No logic belongs here, and nothing heavy is imported before a command needs it. What a command does is a function of
the room that it calls.
"""
