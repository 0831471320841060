"""What runs on the nodes. Each file stands alone: Python 3.9 or newer, its standard library, and nothing of ours."""
