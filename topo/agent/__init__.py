"""podwire's kubelet: registers nodes, realises the pods bound to them, and reports their status.

Deciding is apart from acting: `podspec`, `environment`, `bubblewrap`, `restarts`, `probes`, `answers` and `status`
are pure; `network`, `entry`, `standin`, `command`, `probing`, `reporter` act; `container`, `pod`, `node` and `main`
tie the two together.
"""
