"""What the tools cost beside what an operator would type instead: ratios, measured in turns in one run."""
