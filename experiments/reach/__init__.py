"""Who reaches whom: which connections are tried, what came of each, what policies expect, and how that is told."""
