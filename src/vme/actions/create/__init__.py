"""Creating guests: what was asked for (options, wish, batch), what is decided (check), and doing it (carry_out)."""
