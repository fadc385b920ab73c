"""Where an artifact runs: a module for each kind of device, behind one protocol."""
