"""Doors for people: the command and the explorer. No arithmetic on time, no tensors."""
