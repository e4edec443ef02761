"""Jobs of a grid that train as one vectorised model.

Each job is run by the same code as alone, from its config to its summary, in a thread of its own, of
which one runs at a time (`strand`). Where it would take a block of steps it waits instead, until all
others have got there (`shared`); then the stack takes these steps for all of them (`stack`), and each
goes on: it logs, validates, saves and ends as if the steps had been its own.

A stack holds the parameters and buffers of all its jobs, of which each job's own are slices, so that
nothing has to be carried to and fro. Batches and noise come from each job's own loader and generator,
drawn as the job would draw them (`lane`), and go through `objectives/pure.py` under `vmap`; numbers
in which the jobs differ, such as β, go along (`numbers`). One optimizer updates all of them, each at
its own rate, and shares its state with the jobs' own (`merged`).

Before a stack trains, each job's first step in it is held against the same step alone; whoever
cannot share (`fitness`), or differs, trains alone, and it is said why (`group`).
"""

from __future__ import annotations

from vaebench.training.fused.shared import blocks_of
