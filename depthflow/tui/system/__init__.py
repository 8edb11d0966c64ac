"""What the System screen shows, as plain data: the daemon, the doctor's findings, the log, the settings."""
