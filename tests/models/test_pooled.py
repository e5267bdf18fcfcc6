"""The published video path: linear, ReLU, mean of neighbours."""

import pytest
import torch
import torch.nn.functional as F

from models.encoders.pooled import PooledEncoder
from models.records import Padded


def test_it_is_a_pointwise_convolution_a_relu_and_an_average_pool():
    torch.manual_seed(0)
    encoder = PooledEncoder(6, 4, 2)
    x = torch.randn(3, 8, 6)
    got = encoder(Padded(x, torch.ones(3, 8, dtype=torch.bool)))
    weight, bias = encoder.project.weight, encoder.project.bias
    wanted = F.avg_pool1d(F.relu(F.conv1d(x.transpose(1, 2), weight[:, :, None], bias)), 2)
    torch.testing.assert_close(got.x, wanted.transpose(1, 2))
    assert got.mask.all() and got.mask.shape == (3, 4)


def test_padding_takes_no_part():
    torch.manual_seed(0)
    encoder = PooledEncoder(6, 4, 2)
    x, mask = torch.randn(1, 4, 6), torch.tensor([[True, True, True, False]])
    got = encoder(Padded(x, mask))
    x[0, 3] = 100
    again = encoder(Padded(x, mask))
    torch.testing.assert_close(got.x, again.x)
    torch.testing.assert_close(got.x[0, 1], F.relu(encoder.project(x[0, 2])))
    assert got.mask.tolist() == [[True, True]]


def test_rows_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="5 rows"):
        PooledEncoder(6, 4, 2)(Padded(torch.zeros(1, 5, 6), torch.ones(1, 5, dtype=torch.bool)))
