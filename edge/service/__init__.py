"""Frames in, answers out, without ever stopping: what `edge serve` runs between a source and the exam.

::

    source --reader thread--> Newest --Pump--> Child ==process==> worker (engine) --Answer--> exam, store, page, sinks
      |                         |                |
      running, lost, frozen     drops counted    killed and respawned; time-out, memory limit, no network

Nothing here knows an exam, a store or a page: they are callables given to the pump.
"""
