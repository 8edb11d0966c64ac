"""Turns frames into files through ffmpeg, and reads facts back from them.

It knows nothing of where frames come from.
"""
