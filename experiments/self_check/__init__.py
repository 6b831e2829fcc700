"""The experiment `self-check`: what a cluster description asks of the network, beside what the network does."""
