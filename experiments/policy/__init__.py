"""Policies from the outside: what they allow by the text of the API (the oracle), asked for, explained and checked."""
