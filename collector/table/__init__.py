"""Tables: those that people make, read with every bad line and its reason, and those that are made for them."""
