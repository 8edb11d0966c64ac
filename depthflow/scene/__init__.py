"""What moves and how: camera and motions as pure numbers. It knows numpy and nothing of photos, GL or files."""
