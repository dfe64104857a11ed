"""The runtime's own commands, one file each; `edge/cli.py` mounts them."""
