"""The studio without its screen: parameters, what is being tuned, and the live preview."""
