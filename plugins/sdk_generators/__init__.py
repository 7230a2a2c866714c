"""Small networks that draw 64×64 pictures from words: a VAE, a GAN, a progressively grown GAN.

    policy:  backend = {plugin = "vae"}        # or "gan"

Each plugin of this package (`vae`, `gan`, `progressive-gan`) has a trainer that fits a folder and,
where it draws, a backend that opens such a folder.  What they share is here: the recipe, the
training loop, words as vectors, what a run leaves behind, and how a folder is opened.
"""
