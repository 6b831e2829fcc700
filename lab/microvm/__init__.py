"""A micro-VM with a full kernel where the host lacks one: a stock distribution kernel, emulated, over the host's root.

No root, no image, no hardware virtualisation. The host's files are seen read-only under a tmpfs, so a command in the
VM changes nothing outside it.
"""
