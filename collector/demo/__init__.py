"""What the demo shows: an agency that is made up, with a year behind it and a week before it."""
