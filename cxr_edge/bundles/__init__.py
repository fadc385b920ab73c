"""A bundle on the disk: manifest, artifacts, golden vectors, .zip form, and which artifacts are trusted. No runtime."""
