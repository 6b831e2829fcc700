"""The experiment `timeline`: traffic that is watched while steps happen to the lab: faults, their ends, new objects."""
