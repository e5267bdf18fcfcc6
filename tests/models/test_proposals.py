"""Promises of the proposal network: it is the dense one on a masked map, for less."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cell_convolution import CellConvolution
from models.cells import Cells, Neighbours
from models.proposals import Proposals
from tests.models.dense_stacks import MaskedDense, PaddedDense, dense_convolution, on_map

STACKS = ["residual", "published"]
PUBLISHED = [(16, [15], 5), (64, [15, 8, 8], 9), (128, [15, 8, 8, 8], 5)]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradients(module, x):
    """Of a sum that weighs every number differently, for the input and every parameter."""
    out = module(x)
    return torch.autograd.grad((out * random(*out.shape, seed=9)).sum(), [x, *module.parameters()])


def assert_equal_to_dense(ours, x):
    """Outputs, and gradients of the input and of all weights."""
    dense = MaskedDense(ours)
    assert torch.allclose(ours(x), dense(x), atol=1e-4)
    one, two = gradients(ours, x), gradients(dense, x)
    layers = len(ours.layers)
    assert torch.allclose(one[0], two[0], atol=1e-4, rtol=1e-4)
    named = zip(ours.named_parameters(), one[1:], strict=True)
    mine = {name: grad for (name, _), grad in named}
    named = zip(dense.named_parameters(), two[1:], strict=True)
    theirs = {name: grad for (name, _), grad in named}
    near = ours.neighbours
    reach = near.kernel // 2
    for layer in range(layers):
        weight = theirs[f"layers.{layer}.weight"]
        for (a, b), tap in zip(near.taps, mine[f"layers.{layer}.weight"], strict=True):
            assert torch.allclose(tap, weight[:, :, a + reach, b + reach].t(), atol=1e-3, rtol=1e-3)
        for name in (f"layers.{layer}.bias", f"norms.{layer}.weight", f"norms.{layer}.bias"):
            assert torch.allclose(mine[name], theirs[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("stack", STACKS)
@given(
    clips=st.integers(1, 12),
    counts=st.lists(st.integers(0, 4), max_size=3),
    kernel=st.sampled_from([1, 3, 5, 7]),
    layers=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_it_equals_a_dense_network_that_holds_invalid_cells_at_zero(
    stack, clips, counts, kernel, layers, seed
):
    torch.manual_seed(seed)
    cells = Cells(clips, counts)
    ours = Proposals(8, kernel, layers, cells, stack)
    assert_equal_to_dense(ours, random(2, len(cells), 8, seed=seed).requires_grad_())


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("clips,counts,kernel", PUBLISHED)
def test_it_equals_the_dense_network_on_the_published_maps(stack, clips, counts, kernel):
    torch.manual_seed(0)
    cells = Cells(clips, counts)
    ours = Proposals(8, kernel, 2, cells, stack)
    assert_equal_to_dense(ours, random(2, len(cells), 8).requires_grad_())


def test_at_the_published_depth_it_equals_the_dense_network():
    torch.manual_seed(0)
    cells = Cells(16, [15])
    ours = Proposals(32, 5, 8, cells, "published")
    assert_equal_to_dense(ours, random(2, len(cells), 32).requires_grad_())


@pytest.mark.parametrize("clips,counts,kernel", [(5, [4], 3), (9, [2, 2], 5)])
def test_its_gradients_are_those_of_finite_differences(clips, counts, kernel):
    torch.manual_seed(0)
    cells = Cells(clips, counts)
    convolve = CellConvolution(3, 2, Neighbours(cells, kernel)).double()
    x = random(len(cells), 2, 3).double().requires_grad_()
    near = convolve.neighbours

    def run(x, weight, bias):
        return torch.func.functional_call(convolve, {"weight": weight, "bias": bias}, (x,))

    weights = [p.detach().clone().requires_grad_() for p in convolve.parameters()]
    assert len(near.taps) <= kernel**2
    assert torch.autograd.gradcheck(run, (x, *weights))
    # a frozen input (the first layer of a frozen encoder) needs no gradient
    frozen = x.detach()
    assert torch.autograd.gradcheck(lambda *p: run(frozen, *p), tuple(weights))


@pytest.mark.parametrize("clips,counts,kernel", PUBLISHED)
def test_windows_are_counted_as_a_convolution_of_ones_counts_them(clips, counts, kernel):
    cells = Cells(clips, counts)
    valid = on_map(torch.ones(1, len(cells), 1), cells)
    window = torch.ones(1, 1, kernel, kernel)
    count = torch.nn.functional.conv2d(valid, window, padding=kernel // 2)[0, 0]
    near = Neighbours(cells, kernel)
    assert torch.equal(near.count, count[cells.first, cells.last].round())
    assert int(near.count.sum()) == len(near.cell) == sum(near.sizes)


def test_taps_that_no_cell_needs_have_no_weights():
    alone = Neighbours(Cells(6, []), 5)  # the diagonal: its neighbours are on it
    assert alone.taps == [(-2, -2), (-1, -1), (0, 0), (1, 1), (2, 2)]
    convolve = CellConvolution(4, 4, alone)
    assert convolve.weight.shape == (5, 4, 4)
    dense = dense_convolution(convolve)
    x = random(2, 6, 4)
    there = dense(on_map(x, alone.cells))[:, :, range(6), range(6)].transpose(1, 2)
    assert torch.allclose(convolve(x.transpose(0, 1)).transpose(0, 1), there, atol=1e-5)


@pytest.mark.parametrize("stack", STACKS)
def test_a_video_does_not_see_who_else_is_in_the_batch(stack):
    """So one process and many compute the same, whatever the batch's parts."""
    torch.manual_seed(0)
    cells = Cells(16, [15])
    ours = Proposals(16, 3, 3, cells, stack)
    x = random(4, len(cells), 16).requires_grad_()
    whole = ours(x)
    parts = torch.cat([ours(x[:1]), ours(x[1:])])
    assert torch.allclose(whole, parts, atol=1e-5)
    assert ours.train()(x).equal(ours.eval()(x))


def test_backward_keeps_no_gathered_copies():
    """What is kept for it grows with the cells, not with the pairs of cells."""
    cells = Cells(16, [15])
    ours = Proposals(8, 5, 4, cells, "published")
    x = random(3, len(cells), 8).requires_grad_()
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if tensor.is_floating_point():
            kept[storage.data_ptr()] = storage.nbytes() // 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = ours(x)
    weights = sum(p.numel() for p in ours.parameters())
    # three of a layer: what goes into convolution, norm and ReLU; the norm's two numbers a cell
    assert sum(kept.values()) - weights <= 4 * (3 + 3 / 8) * x.numel()
    assert out.requires_grad


def test_the_published_network_sees_what_lies_beside_the_map():
    """Why ours is another network: features of invalid cells take part in the published one."""
    torch.manual_seed(0)
    cells = Cells(8, [7])
    padded = PaddedDense(4, 3, 3, cells).eval()
    x = random(1, len(cells), 4)
    sizes = []
    for layer in padded.layers:
        layer.register_forward_hook(lambda _, __, out: sizes.append(out.shape[-1]))
    assert padded(x).shape == x.shape
    assert sizes == [12, 10, 8]  # grown by (k - 1)(L - 1), then back


def test_without_layers_nothing_happens():
    x = random(2, 3, 4)
    assert Proposals(4, 3, 0, Cells(2, [1])).forward(x) is x


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="kernel 4 is even; take 5"):
        Proposals(4, 4, 1, Cells(2, [1]))
