"""What the fleet is measured against, on the same links: a download by every node for itself, and BitTorrent.

`course` says what a rival is given and answers; `aria2` and `torrent` are the rivals.
"""
