"""What influence and error bars are asked about, one kind of quantity a file."""
