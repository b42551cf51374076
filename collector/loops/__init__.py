"""What all loops are made of: running every so often, a gate to Ayrshare, claiming work, and writing its results."""
