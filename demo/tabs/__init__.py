"""The tabs of the page, each with its JavaScript and CSS."""
