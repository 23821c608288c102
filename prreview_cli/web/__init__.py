"""Bytes in, status out: the public endpoint, the door that guards it, and the operator's own listener."""
