"""Takes pictures of the console, on a made-up agency."""
