"""Data sets: what a batch holds, the protocol behind it, and batches on the device."""

from vaebench.data.base import Dataset, Part
from vaebench.data.colour import CIFAR10, SVHN
from vaebench.data.digits import Digits
from vaebench.data.frey import FreyFaces
from vaebench.data.images import Images, Raw
from vaebench.data.lines import Text
from vaebench.data.loader import Loader
from vaebench.data.mnist import MNIST, FashionMNIST
from vaebench.data.omniglot import Omniglot
from vaebench.data.ppca import PPCA
from vaebench.data.protocol import Split
from vaebench.data.ptb import PennTreebank
from vaebench.data.resident import Batch, Resident
from vaebench.data.sentences import Sentences
from vaebench.data.spec import EOS, PAD, UNK, Field, Spec, Support
from vaebench.data.text import decode, encode, numbers
from vaebench.data.topics import Topics
from vaebench.data.user import UserImages

__all__ = [
    "CIFAR10",
    "EOS",
    "MNIST",
    "PAD",
    "PPCA",
    "SVHN",
    "UNK",
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
    "PennTreebank",
    "Raw",
    "Resident",
    "Sentences",
    "Spec",
    "Split",
    "Support",
    "Text",
    "Topics",
    "UserImages",
    "decode",
    "encode",
    "numbers",
]
