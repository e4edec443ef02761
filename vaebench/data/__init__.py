"""Data sets: what a batch holds, the protocol behind it, and batches on the device."""

from vaebench.data.base import Batch, Dataset, Images, Loader, Part, Raw, Resident
from vaebench.data.colour import CIFAR10, SVHN
from vaebench.data.digits import Digits
from vaebench.data.frey import FreyFaces
from vaebench.data.images import UserImages
from vaebench.data.mnist import MNIST, FashionMNIST
from vaebench.data.omniglot import Omniglot
from vaebench.data.ppca import PPCA
from vaebench.data.protocol import Split
from vaebench.data.spec import Field, Spec, Support

__all__ = [
    "CIFAR10",
    "MNIST",
    "PPCA",
    "SVHN",
    "Batch",
    "Dataset",
    "Digits",
    "FashionMNIST",
    "Field",
    "FreyFaces",
    "Images",
    "Loader",
    "Omniglot",
    "Part",
    "Raw",
    "Resident",
    "Spec",
    "Split",
    "Support",
    "UserImages",
]
