"""What is decided: check() gives a Plan and changes nothing; carry_out(plan) does it."""
