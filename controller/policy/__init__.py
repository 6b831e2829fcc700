"""Policies: from objects to what the flows of each node bridge say of them. Pure."""
