"""Ways to spread independent tasks: worker processes of this machine, or a Ray cluster. Both give the same results."""
