"""Cluster DNS: what the names of a cluster are (pure), and a feeder that keeps the distribution's name server at that.

`python -m k8sshim.dns` follows the API, runs BIND's `named` as its child, and sends it each difference (RFC 2136).
"""
