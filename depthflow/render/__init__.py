"""Draws frames: an offscreen OpenGL context, the textured depth mesh, passes and readback. It reads no files."""
