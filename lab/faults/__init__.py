"""What can go wrong with a lab on purpose: links, switches, nodes, pods and components fail, and come back.

`kinds` says which faults there are, `effects` what those that stand come to, `inside` acts in the sandbox, and
`injecting` is what the command line and scenarios call.
"""
