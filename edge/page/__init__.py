"""The page and the local API: what a browser, a cart and a program see of the plane check.

In: a `Bedside`. Out: two servers in one thread: loopback TCP for the page, a Unix socket for bridges and programs.
"""
