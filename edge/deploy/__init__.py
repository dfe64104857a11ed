"""The plane check as a system service: its unit, its files, its bill of materials.

::

    BUNDLE --verify--> Installation (files + commands)      installation.py, keys.py
                       |-- unit: units/*.service + units/hardening.conf      unit.py
                       '-- SBOM of the installed packages                    sbom.py
    Installation --> files below a root, commands run       files_below.py
"""
