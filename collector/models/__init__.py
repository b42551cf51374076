"""The values that travel between the modules: frozen, typed, and free of behaviour."""
