"""What a model says of some clips, batch by batch."""

import torch
from torch import Tensor, nn

from mfer_core.dataset.clips import Clips, in_order

PREDICT_BATCH = 64


@torch.no_grad()
def logits_of(model: nn.Module, clips: Clips) -> Tensor:
    """Logits [N, C] (on the CPU) in the clips' order, in evaluation mode."""
    model.eval()
    device = next(model.parameters(), torch.empty(0)).device
    rows: dict[int, Tensor] = {}
    for indices, (inputs, _) in in_order(clips, getattr(model, "predict_batch", PREDICT_BATCH)):
        logits = model(*(value.to(device) for value in inputs)).cpu()
        rows |= dict(zip(indices, logits, strict=True))
    return torch.stack([rows[i] for i in range(len(clips))])
