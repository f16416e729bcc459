"""The embedded cloud: the part of AWS that an environment with `target: local` needs, on this machine."""
