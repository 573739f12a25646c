# %% [markdown]
# Your own video from Python. Run it from the project's folder, cell by cell in an editor that knows "# %%",
# or as
# `python examples/own_video.py`. It needs a model (`dvc repro`, or any model's folder) and a recording.

# %%
from mfer_core.prediction import Predictor

predictor = Predictor.load("data/register/model")
seen = predictor.examine("my_video.mp4", window_s=4, step_s=1)
print(seen.table)
print(seen.timeline)

# %% [markdown]
# Both are data frames. What the fused model sees over time, and how sure each arm is:

# %%
from mfer_core.prediction.windows import label_segments  # noqa: E402

for start_s, end_s, label in label_segments(seen.timeline, "fused", seen.step_s):
    print(f"{start_s:6.1f} to {end_s:6.1f} s: {label}")
print(seen.timeline.pivot(index="start_s", columns="arm", values="label"))

# %% [markdown]
# The picture, in a notebook or as a file:

# %%
from mfer_core.prediction.plot import draw_prediction  # noqa: E402

draw_prediction(seen).savefig("my_video.png")
