"""Builds the Android demo into signed APKs, with Debian's tools and official runtimes, and checks what was built."""
