"""Two towers and class centers, trained on all processes as on one.

torchrun --nproc-per-node 2 -m handbook_code.bench.recipe
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from handbook_code import arcface_loss, info_nce_loss

CLASSES, WIDTH, BATCH, STEPS = 10, 8, 24, 20


def main() -> None:
    dist.init_process_group("gloo")  # "nccl" on GPUs
    world = dist.group.WORLD
    rank, size = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)  # all ranks draw the same, and take their part
    towers = nn.ModuleList(nn.Linear(16, WIDTH) for _ in range(2)).double()
    pictures, captions = map(DistributedDataParallel, towers)
    centers = torch.randn(CLASSES, WIDTH).double()
    centers = nn.Parameter(centers.tensor_split(size)[rank].clone())
    optimizer = torch.optim.SGD([*towers.parameters(), centers], lr=0.1)
    for _ in range(STEPS):
        batch = torch.randn(BATCH, 16).double()
        labels = batch[:, :CLASSES].argmax(1)
        x, t = (b.tensor_split(size)[rank] for b in (batch, labels))
        one, other = pictures(x), captions(x + 1)
        loss = info_nce_loss(one, other, symmetric=True, group=world)
        loss = loss + arcface_loss(one, centers, t, s=4.0, group=world)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if rank == 0:
        print(f"after {STEPS} steps the loss is {loss.item():.10f}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
