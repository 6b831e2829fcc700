"""The way of one packet, asked of Open vSwitch (`ofproto/trace`) and told by our stages, cookies and objects."""
