"""Publishing pins: each sent once, its outcome recorded, and what nobody knows looked for until somebody does."""
