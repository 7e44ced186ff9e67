"""FLUX in diffusers' layout: the same velocities as diffusers', the same weights back."""

import pytest
import torch

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public.flux import flux_config, flux_key_map
from kineograph.checkpoints.public.kinds import recognise
from kineograph.denoisers.mmdit import MMDiTConfig, Tokens
from kineograph.errors import CheckpointError
from kineograph.proof.open_sora_2 import inward, outward
from kineograph.types import Condition, TextEmbedding

oracle = pytest.importorskip("diffusers", reason="diffusers is in the extra 'test'")
TINY = {
    "in_channels": 16,
    "num_layers": 2,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 12,
    "pooled_projection_dim": 10,
    "axes_dims_rope": (4, 6, 6),
}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "guided"])
def theirs(request):
    torch.manual_seed(0)
    model = oracle.FluxTransformer2DModel(**TINY, guidance_embeds=request.param)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def test_velocities_agree_and_weights_come_back(theirs):
    config = flux_config(theirs.config)
    keys, model = flux_key_map(config), config.build().eval()
    state = theirs.state_dict()
    load_into(model, keys.load(state))
    back = keys.dump(model.state_dict())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)

    torch.manual_seed(1)
    x, words, pooled = torch.randn(2, 6, 16), torch.randn(2, 5, 12), torch.randn(2, 10)
    time, guidance = torch.tensor([0.3, 0.9]), torch.tensor([4.0, 2.0])
    places = torch.zeros(6, 3)
    places[:, 1], places[:, 2] = torch.arange(6) // 3, torch.arange(6) % 3
    with torch.no_grad():
        (expected,) = theirs(
            hidden_states=x,
            encoder_hidden_states=words,
            pooled_projections=pooled,
            timestep=time,
            img_ids=places,
            txt_ids=torch.zeros(5, 3),
            guidance=guidance if config.guided else None,
            return_dict=False,
        )
        text = TextEmbedding(words, pooled=pooled)
        positions = torch.cat((torch.zeros(5, 3), places)).T[None]
        moment = model.vector(time, Condition(text, facts={"guidance": guidance}))
        found = model.tokens(Tokens(inward(x, 2), None, positions), moment, text)
    assert (outward(found, 2) - expected).norm() < 1e-5 * expected.norm()


def test_it_is_recognised_by_its_names_and_settings(theirs):
    found = recognise(theirs.state_dict(), dict(theirs.config))
    assert (found.name, found.layout) == ("mmdit", "diffusers")


def test_the_published_sizes_are_known_without_settings():
    with torch.device("meta"):
        state = MMDiTConfig(given=False, guided=True).build().state_dict()
    public = flux_key_map(MMDiTConfig(given=False, guided=True)).dump(state)
    assert recognise(public, {}).layout == "diffusers"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"in_channels": 18}, "multiple of 4"), ({"axes_dims_rope": (4, 4, 4)}, "a sum of 16")],
)
def test_numbers_that_do_not_fit_are_refused(change, words):
    with pytest.raises(CheckpointError, match=words):
        flux_config({**TINY, **change})
