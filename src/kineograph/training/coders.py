"""All autoencoders that can be trained, as one type: what a recipe's configuration builds."""

from kineograph.autoencoders.causal_kl import CausalKL
from kineograph.autoencoders.deep_compression import DeepCompression
from kineograph.autoencoders.denoising import Denoising
from kineograph.autoencoders.image_kl import ImageKL
from kineograph.autoencoders.stacked import Stacked
from kineograph.autoencoders.wavelet_flow import WaveletFlow

Coder = ImageKL | Stacked | WaveletFlow | CausalKL | DeepCompression | Denoising
