"""A runtime in a child process with limits, for models that are not trusted on this machine."""
