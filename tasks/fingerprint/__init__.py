"""What each stage depends on beside its data: the code it reaches, the packages that code uses, its recipe values."""
