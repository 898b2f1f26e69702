"""How networks run on a CPU: compiled by OpenVINO, and kept between starts."""
