"""An emulated Raspberry Pi: its packages, its userland, and the device."""
