"""The subresources of pods that are streams: `log`, `exec`, `attach`, `portforward`, passed on to the pod's node."""
