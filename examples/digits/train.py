#!/usr/bin/env python3
"""Trains the digits example and writes weights.safetensors, calib.npy, test.npy and test_labels.npy beside this file.

Needs torch, scikit-learn (for the images) and safetensors. One thread and fixed seeds: the same versions give the same files.
"""
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
SEED, TEST, CALIBRATION, EPOCHS, BATCH = 1, 500, 200, 40, 32


class Residual(nn.Module):
    def __init__(self, filters):
        super().__init__()
        self.conv1 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)

    def forward(self, x):
        h = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(h)) + x)


class Digits(nn.Module):
    """model.ig beside this file, up to the softmax; the names are the layers' there."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.res = Residual(16)
        self.dw = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16, bias=False)
        self.dw_bn = nn.BatchNorm2d(16)
        self.pw = nn.Conv2d(16, 32, 1, bias=False)
        self.pw_bn = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x):
        h = torch.relu(self.bn1(self.conv1(x)))
        h = self.res(h)
        h = torch.relu(self.dw_bn(self.dw(h)))
        h = torch.relu(self.pw_bn(self.pw(h)))
        return self.fc(torch.max_pool2d(h, 2).flatten(1))


def shifted(x, generator):
    """Each image moved by up to one pixel: the only augmentation."""
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(x), 2), generator=generator).tolist()
    return torch.stack([padded[i, :, dy:dy + 8, dx:dx + 8] for i, (dy, dx) in enumerate(moves)])


def train(net, x, y):
    generator = torch.Generator().manual_seed(SEED)
    steps = EPOCHS * ((len(x) + BATCH - 1) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(shifted(x[batch], generator)), y[batch], label_smoothing=0.05)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {total / len(x):.4f}")


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.uint8).reshape(-1, 8, 8, 1)
    order = np.random.default_rng(SEED).permutation(len(images))
    test, rest = order[:TEST], order[TEST:]

    def tensor(index):
        return torch.from_numpy(images[index]).permute(0, 3, 1, 2).float() / 16

    net = Digits()
    train(net, tensor(rest), torch.from_numpy(labels[rest]))
    net.eval()
    with torch.no_grad():
        right = (net(tensor(test)).argmax(1).numpy() == labels[test]).sum()
    print(f"float accuracy on {TEST} held-out images: {100 * right / TEST:.1f} %")
    state = {name: t.contiguous() for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file(state, HERE / "weights.safetensors")
    np.save(HERE / "calib.npy", images[rest[:CALIBRATION]])
    np.save(HERE / "test.npy", images[test])
    np.save(HERE / "test_labels.npy", labels[test].astype(np.int64))


if __name__ == "__main__":
    main()
