"""What a file holds around its pixels: chunks, directories and sizes, read without a decoder."""
