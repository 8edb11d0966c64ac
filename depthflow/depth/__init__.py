"""Depth maps, estimated, loaded, refined, saved: float32 (H, W) in [0, 1], 1 = nearest, linear in disparity."""
