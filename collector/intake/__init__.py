"""Days that other programs recorded: read from their files, checked, and stored beside what was observed."""
