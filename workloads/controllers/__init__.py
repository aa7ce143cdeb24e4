"""Does the work that rows ask for: runs jobs and model servers, and keeps what runs equal to what is wanted.

Started as `python3 -m workloads.controllers`. Sync and threads; the only part of the platform that talks to the engine.
"""
