"""Run folders: what lies in one, how it is written and found again, and how runs compare. Knows no torch."""
