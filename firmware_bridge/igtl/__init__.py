"""OpenIGTLink: images of a research scanner in, answers back."""
