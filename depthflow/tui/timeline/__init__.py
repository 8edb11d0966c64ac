"""The timeline editor: a model of plain data that every edit leaves valid, and the widget that shows it."""
