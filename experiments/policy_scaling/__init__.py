"""The experiment `policy-scale`: what NetworkPolicies cost as they grow, beside iptables rules and ipsets."""
