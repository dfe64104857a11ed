"""What joins the box to real devices: the cart's microcontroller, DICOM, OpenIGTLink, video. Each bridge is a process
of its own and reaches the plane check by its Unix socket only (`firmware_bridge/service_client.py`).
"""
