"""The HTTP API, version 1: what the command line does, for programs. Its only rules of its own are who may see what."""
