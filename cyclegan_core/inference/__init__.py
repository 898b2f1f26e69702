"""From a picture to its translation: engines that run generators, the translator, chains of translations, tiles."""
