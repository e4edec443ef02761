"""vaebench: train, evaluate and compare variational autoencoders and their extensions."""

__version__ = "0.1.0"
