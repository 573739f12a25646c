"""Clips on all cores: the values of one core, each encoder of a thread with the same weights."""

import threading

import numpy as np
import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.cores import on_cores, twins
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.speech import load_speech
from mfer_core.encoders.vit import load_vit
from tests.encoders.speech_folders import FAMILIES, write_speech_encoder


def speech_of(one, waveform):
    return one.embed([waveform])[0]


def test_results_come_in_order_errors_in_their_place_and_little_is_taken_in_advance():
    taken, together = [], threading.Barrier(2, timeout=10)

    def items():
        for number in range(9):
            taken.append(number)
            yield number

    def run(encoder, number):
        if number < 2:
            together.wait()  # Neither comes through alone.
        if number == 5:
            raise MferError("the sixth")
        return number

    coming = on_cores(run, ["one", "other"], items())
    assert next(coming) == 0 and taken == [0, 1, 2]
    assert [next(coming) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(MferError, match="the sixth"):
        next(coming)


@pytest.mark.parametrize("layer", [None, 2, "all"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_speech_encoder_hears_in_three_threads_what_it_hears_in_one(family, layer, tmp_path, waveforms):
    folder = write_speech_encoder(family, tmp_path)
    encoder = load_speech(Source(str(folder), None, layer), "cpu", "fp32")
    many = [*waveforms, *reversed(waveforms)] * 3
    alone = [speech_of(encoder, waveform) for waveform in many]
    for threads in (1, 3):
        speech = list(on_cores(speech_of, twins(encoder, threads), many))
        assert all(map(np.array_equal, speech, alone))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_so_do_emotion2vec_and_vit(precision, emotion2vec_folder, vit_folder, waveforms, random):
    encoder = load_emotion2vec(str(emotion2vec_folder), None, "cpu", precision)
    many = [*waveforms, *reversed(waveforms)] * 3
    alone = [speech_of(encoder, waveform) for waveform in many]
    assert all(map(np.array_equal, on_cores(speech_of, twins(encoder, 3), many), alone))
    faces = load_vit(str(vit_folder), None, "cpu", precision)
    buffers = zip(faces.model.buffers(), twins(faces, 2)[1].model.buffers(), strict=True)
    assert all(one.data_ptr() == copied.data_ptr() for one, copied in buffers)
    images = [[random.integers(0, 256, (40, 40), np.uint8)] * count for count in (1, 5, 2, 7, 3)]
    seen = on_cores(lambda one, clip: one.embed(clip), twins(faces, 3), images)
    assert all(map(np.array_equal, seen, map(faces.embed, images)))


def test_a_twin_takes_no_memory_for_weights_and_leaves_the_number_of_threads(emotion2vec_folder):
    encoder = load_emotion2vec(str(emotion2vec_folder), None, "cpu", "fp32")
    other = twins(encoder, 2)[1]
    assert other.model is not encoder.model and other.batches.model is other.model
    pairs = zip(encoder.model.parameters(), other.model.parameters(), strict=True)
    assert all(one.data_ptr() == copied.data_ptr() for one, copied in pairs)
    threads = torch.get_num_threads()
    list(on_cores(lambda one, item: item, [encoder, other], range(3)))
    assert torch.get_num_threads() == threads
