"""A scanner's video output: grabber, file, pipe or GStreamer pipeline in a process of its own."""
