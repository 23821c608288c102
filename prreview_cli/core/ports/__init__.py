"""What the core asks of the world, one file a port, in the domain's words."""
