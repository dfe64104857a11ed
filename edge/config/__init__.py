"""One TOML file for the plane check and whatever joins it to a device, checked by the commands that read it.

::

    entry points "edge.config_sections": section -> command                          sections.py
    command --its own signature--> Key: what each key may hold                       keys.py
    text --tomllib--> sections --each value a key of its kind, read by the option--> options | problems     checks.py
    text --> the line of every key                                                   lines.py
    commands --> the commented example that docs/config.toml is                      example.py

A section is a command, a key is one of its options with "_" for "-": so no key can be without its option, its help and
its check. Another package adds a section by an entry point, and the runtime imports nothing upward.
"""
