"""The month of a client as a page that can be sent to the client: numbers, what they mean, and how whole they are."""
