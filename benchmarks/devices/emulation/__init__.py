"""A Raspberry Pi in emulation: its userland, its packages, and the device made of them."""
