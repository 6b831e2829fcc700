"""The experiment `transfer`: what crosses from one pod to another on another node, and what it costs."""
