"""Estimates, loads, refines and saves depth maps: float32 (H, W) in [0, 1], 1 = nearest, linear in inverse depth."""
