"""Weights of times are what the papers say."""

import pytest
import torch

from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.diffusion.noise_table import NoiseTable, Stratified
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.prediction import V
from kineograph.diffusion.process import Process
from kineograph.diffusion.weighting import Alike, MinSNR, MinSNRNoise
from kineograph.types import Condition, TextEmbedding, replayed


def test_min_snr_is_limited_where_there_is_little_noise():
    c = NoiseTable().at(torch.tensor([0.001, 0.5, 1.0]))
    snr = (c.alpha / c.sigma).square()
    assert snr[0] > 5 > snr[1]
    found = MinSNR(limit=5.0)(c)
    torch.testing.assert_close(found[:2], torch.tensor([5.0, snr[1]]) / (snr[:2] + 1))


def test_pure_noise_and_pure_data_count_nothing():
    assert MinSNR()(NoiseTable().at(torch.tensor([0.0, 1.0]))).tolist() == [0.0, 0.0]


def test_alike_is_one():
    assert Alike()(NoiseTable().at(torch.tensor([0.2, 0.7]))).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("entry", [10, 500, 999])
def test_the_objective_multiplies_each_sample_by_its_weight(entry):
    path, latents = NoiseTable(), torch.randn(1, 2, 1, 2, 2)
    process = Process(path=path, prediction=V(), injection=MaskedVideo())
    number = torch.special.ndtri(torch.tensor([(entry + 0.5) / 1000], dtype=torch.float64))

    def loss(weighting):
        objective = Objective(times=Stratified(), weighting=weighting)
        draws = replayed([number, torch.ones(1, 2, 1, 2, 2)])
        condition = Condition(TextEmbedding(torch.zeros(1, 1, 1)))
        return objective(lambda x, time, known: x, process, latents, condition, draws).mean

    weight = MinSNR()(path.at(torch.tensor((entry + 1) / 1000)))
    torch.testing.assert_close(loss(MinSNR()), loss(Alike()) * weight, rtol=1e-4, atol=1e-6)


def test_min_snr_for_noise_is_one_until_the_limit_and_falls_beyond():
    c = NoiseTable().at(torch.tensor([0.0, 0.001, 0.5, 1.0]))
    snr = (c.alpha / c.sigma).square()
    found = MinSNRNoise(limit=5.0)(c)
    torch.testing.assert_close(found, torch.tensor([0.0, 5.0 / snr[1], 1.0, 1.0]))
