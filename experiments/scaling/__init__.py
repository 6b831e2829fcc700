"""The experiment `service-scale`: what Services cost as they grow in number, beside kube-proxy's rules."""
