"""Pictures of a cluster's fabric."""
