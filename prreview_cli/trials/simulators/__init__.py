"""Stand-ins on loopback for what prreview speaks to: a scripted model API, and a code host with its git."""
