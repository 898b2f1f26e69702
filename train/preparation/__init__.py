"""From published sets to trainA, trainB, testA and testB."""
