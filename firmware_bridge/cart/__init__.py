"""The cart link's host side: frames, messages, link, transports, bridge, and a cart in software."""
