"""Which face encoder a checkpoint holds; what its config.json says decides, never its name."""

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_object
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.checkpoints import checkpoint_folder
from mfer_core.encoders.contract import FaceEncoder

CLASSIFIERS = {"ViTForImageClassification", "StemVit"}  # These bring a classifier of emotions along.


def load_faces(source: Source, device: str, precision: str) -> FaceEncoder:
    """Load a face encoder by folder or hub id: a ViT classifier, an encoder of videos, or one of the families
    of ``transformers_faces``. Raises MferError when it is missing, incomplete or none, and where a layer is
    named.
    """
    if source.layer is not None:
        raise MferError(
            f"{source.checkpoint}#{source.layer}: of a picture only the encoder's own feature is read, which "
            "its last layer gives: leave the layer out"
        )
    folder = checkpoint_folder(source.checkpoint, source.revision)
    config = read_object(folder / "config.json")
    if config.get("model_type") == "videomae":
        from mfer_core.encoders.transformers_video import load_transformers_video

        return load_transformers_video(source, device, precision)
    architectures = config.get("architectures")
    if isinstance(architectures, list) and any(name in architectures for name in CLASSIFIERS):
        from mfer_core.encoders.vit import load_vit

        return load_vit(source.checkpoint, source.revision, device, precision, source.hash)
    from mfer_core.encoders.transformers_faces import load_transformers_faces

    return load_transformers_faces(source, device, precision)
