"""Traces: drawing, scoring and the shapes of both."""

from vaebench.trace.evidence import Evidence
from vaebench.trace.trace import Relax, Site, Trace
