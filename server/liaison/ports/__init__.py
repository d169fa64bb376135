"""What the office needs of the world, as small interfaces; each has one contract suite that every adapter passes."""
