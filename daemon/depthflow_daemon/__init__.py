"""Drop a photo into a folder, find a video in another: watcher, stability tracker, folder rules and durable queue.

The daemon stands on the library (`depthflow.jobs`), never the other way round, and knows no terminal interface.
"""
