"""Data sets: what a batch holds, the protocol behind it, and batches on the device."""

from vaebench.data.arrangement import Arrangement, ByFactor, ByLabel, ByLength, Shuffled
from vaebench.data.arrays.base import Arrays
from vaebench.data.base import Dataset, FromFiles, Part
from vaebench.data.codes import Codes
from vaebench.data.columns import Column, Columns, InMemorySplit, MappedSplit
from vaebench.data.images.base import Images, Raw
from vaebench.data.images.cluttered import Cluttered
from vaebench.data.images.colour import CIFAR10, SVHN
from vaebench.data.images.digits import Digits
from vaebench.data.images.frey import FreyFaces
from vaebench.data.images.mnist import MNIST, FashionMNIST
from vaebench.data.images.omniglot import Omniglot
from vaebench.data.images.user import UserImages
from vaebench.data.loader import Loader
from vaebench.data.protocol import Split
from vaebench.data.spec import EOS, LABELLED, PAD, UNK, Batch, Field, Spec, Support
from vaebench.data.synthetic.chairs import Chairs
from vaebench.data.synthetic.factors import Factors
from vaebench.data.synthetic.hands import Hands, keypoints, turned
from vaebench.data.synthetic.heads import Heads
from vaebench.data.synthetic.ppca import PPCA
from vaebench.data.synthetic.sprites import Sprites
from vaebench.data.text.lines import Text
from vaebench.data.text.ptb import PennTreebank
from vaebench.data.text.sentences import Sentences
from vaebench.data.text.tokens import as_text, as_tokens, numbers
from vaebench.data.text.topics import Topics
