"""Models from a few numbers."""

from __future__ import annotations

import pytest
import torch

from vernier.core.errors import RecipeError
from vernier.models.build import Shape, build, num_parameters


def test_parameters_of_a_known_size() -> None:
    model = build(Shape(hidden=64, layers=3), vocabulary=2048, context=256, separator=0, seed=0)
    embedding, attention, mlp, norms = 2048 * 64, 4 * 64 * 64, 3 * 64 * 176, 2 * 64
    assert num_parameters(model) == embedding + 3 * (attention + mlp + norms) + 64
    assert model.config.max_position_embeddings == 256


def test_the_seed_decides_and_the_global_state_is_left_alone() -> None:
    def weights(seed: int) -> torch.Tensor:
        shape = Shape(hidden=16, layers=1, heads=2)
        model = build(shape, vocabulary=9, context=8, separator=0, seed=seed)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = weights(1), weights(1), weights(2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_residual_branches_start_at_zero() -> None:
    shape = Shape(hidden=16, layers=2, heads=2)
    model = build(shape, vocabulary=9, context=8, separator=0, seed=1)
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([[5]])).logits[0, -1]
        behind = model(input_ids=torch.tensor([[3, 7, 5]])).logits[0, -1]
    assert torch.allclose(alone, behind, atol=1e-6)
    assert not torch.allclose(alone, torch.zeros_like(alone))


@pytest.mark.parametrize("wrong", [{"hidden": 0, "layers": 1}, {"hidden": 20, "layers": 1, "heads": 3}])
def test_impossible_shapes(wrong: dict[str, int]) -> None:
    with pytest.raises(RecipeError):
        Shape(**wrong)
