"""Peers: a problem as arrays -> the answer of another library, each in an environment of its own."""
