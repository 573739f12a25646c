"""The training loop that one writes first: a clip per item, shuffled batches, torch's GRU and AdamW with
their defaults.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

Read = Mapping[str, Tensor]  # clip_id -> [T, D]


class PlainClips(Dataset):
    """An item per clip: its steps of each modality, and its label."""

    def __init__(self, reads: list[Read], clip_ids: list[str], labels: Tensor):
        self.reads, self.clip_ids, self.labels = reads, clip_ids, labels

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, index: int) -> tuple[list[Tensor], Tensor]:
        return [read[self.clip_ids[index]] for read in self.reads], self.labels[index]


def plain_batch(items: list) -> tuple[list[Tensor], list[Tensor], Tensor]:
    columns = list(zip(*(values for values, _ in items), strict=True))
    lengths = [torch.tensor([len(value) for value in column]) for column in columns]
    return (
        [pad_sequence(list(column), batch_first=True) for column in columns],
        lengths,
        torch.stack([label for _, label in items]),
    )


class PlainModel(nn.Module):
    """GRUs of two layers and a linear layer over their last valid states."""

    def __init__(self, modalities: int, dim: int, hidden: int, classes: int, *, packed: bool):
        super().__init__()
        self.packed = packed
        self.grus = nn.ModuleList(nn.GRU(dim, hidden, 2, batch_first=True) for _ in range(modalities))
        self.classifier = nn.Linear(hidden * modalities, classes)

    def last_state(self, gru: nn.GRU, values: Tensor, lengths: Tensor) -> Tensor:
        if self.packed:
            return gru(pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False))[1][-1]
        return gru(values)[0][torch.arange(len(lengths)), lengths - 1]

    def forward(self, values: list[Tensor], lengths: list[Tensor]) -> Tensor:
        return self.classifier(
            torch.cat([self.last_state(*parts) for parts in zip(self.grus, values, lengths, strict=True)], 1)
        )


def plain_epoch(model: PlainModel, clips: PlainClips, batch: int) -> None:
    optimiser = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], 1e-3)
    for values, lengths, labels in DataLoader(clips, batch, shuffle=True, collate_fn=plain_batch):
        nn.functional.cross_entropy(model(values, lengths), labels).backward()
        optimiser.step()
        optimiser.zero_grad()
