"""What people ask of containers that run: their logs, commands beside them, their input and output, their ports."""
