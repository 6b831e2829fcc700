"""The experiment `load-balancing`: who answers how often, and what moves when an endpoint leaves."""
