"""The Kubernetes API over HTTP: the hub that every component and every client lists, watches and writes.

An object's way in: `routing` (which resource is meant) -> `patches` (what is wanted) -> `admission` and `defaults`
(what may be, and what is filled in) -> `k8sshim.store`. Its way out: `views` (an object, a list, a table, a watch).
"""
