"""What the folders screen is made of: words and numbers of watched folders, panes, and the sheets that edit them."""
