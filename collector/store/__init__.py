"""The database: every statement stands beside the one method that runs it, and outages come out as our own error."""
