from tests.encoders.conftest import emotion2vec_folder, random, vit_folder, vit_settings  # noqa: F401 (fixtures)
