"""Frames in, captures and a checklist out, without ever stopping: what `edge serve` runs (`run.py` is the wiring).

::

    source --reader thread--> Newest --Pump--> Child ==process==> worker (engine) --Answer--> Desk --> store
      |  cut to the fan         |                |                                             |
      running, lost, frozen     drops counted    killed and respawned; time-out, limits        PlaneCheck --> page, API
                                                                                               '-- views --> sinks

Newest, Pump and Child know no exam, no store and no page: those are callables given to them.
"""
