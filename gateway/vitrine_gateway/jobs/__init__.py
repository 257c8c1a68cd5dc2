"""Jobs: submitting, leasing, running and watching them."""
