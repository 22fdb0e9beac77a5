"""Execution scenarios: one archive, replayed many times under slower networks and in rougher markets."""
