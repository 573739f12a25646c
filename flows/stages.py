"""The stages of dvc.yaml as Prefect flows, in its order: which tasks each one calls, and with what.

Each flow imports its own tasks, so that a stage loads no more than it needs and dvc.yaml can name what that
is.
"""

from prefect import flow, get_run_logger

from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings

DATA = DataPaths()


@flow(name="demo", flow_run_name="demo")
def demo() -> None:
    """Write every corpus whose source is `demo`; what is already there and unchanged stays. CREMA-D has
    pictures where it is benchmark or transfer; sound is all that pretraining reads.
    """
    from tasks.demo import write_corpus

    settings = load_settings()
    DATA.demo.mkdir(parents=True, exist_ok=True)
    for name, corpus in settings.corpora.items():
        if corpus.source == "demo":
            write_corpus.with_options(task_run_name=name)(
                corpus,
                settings.seed,
                settings.workers,
                pictures=name in (settings.roles.benchmark, settings.roles.transfer),
            )


@flow(name="ingest", flow_run_name="ingest {corpus}")
def ingest(corpus: str) -> None:
    """Every file of a corpus becomes a row of its manifest or of its rejects."""
    from tasks.artifacts import publish_rejects
    from tasks.ingest import publish_report, read_corpus

    settings = load_settings()
    line = read_corpus(corpus, settings.corpus(corpus), settings.ingest, settings.workers, DATA)
    get_run_logger().info(line)
    publish_report(corpus, DATA.ingest_report(corpus))
    publish_rejects("ingest", corpus, DATA.ingest_rejects(corpus), line)


@flow(name="extract", flow_run_name="extract {corpus}")
def extract(corpus: str) -> None:
    """Media become face frames and waveforms in Parquet shards; clips that are there are not done again."""
    from mfer_core.base.manifest import read_manifest
    from tasks.artifacts import publish_rejects
    from tasks.extract import account_for, extract_shards

    settings = load_settings()
    raw, manifest = settings.corpus(corpus).path, read_manifest(DATA.manifest(corpus))
    shards = extract_shards(
        corpus,
        manifest,
        raw,
        DATA,
        settings.extract,
        settings.shards.extract,
        settings.workers,
        settings.runner,
    )
    line = account_for(corpus, shards, manifest, DATA, settings.extract)
    get_run_logger().info(line)
    publish_rejects("extract", corpus, DATA.extract_rejects(corpus), line)


@flow(name="pool_clips", flow_run_name="pool_clips {corpus}")
def pool_clips(corpus: str) -> None:
    """The clips of a pretraining corpus by content, of none where another role takes it; what is left of
    corpora that are no more is removed.
    """
    from tasks.pool import clear_others, pool_corpora

    settings = load_settings()
    clear_others(DATA.stage("ingest"), settings.corpora)
    clear_others(DATA.stage("extract"), settings.media_corpora)
    clear_others(DATA.stage("pool_clips"), settings.corpora)
    pooled = {corpus} & {*settings.roles.pretraining}
    folders = {name: [DATA.ingest(name), DATA.extract(name)] for name in pooled}
    pool_corpora(folders, settings, DATA.pool("pool_clips", corpus))


@flow(name="pretrain_vit", flow_run_name="pretrain_vit")
def pretrain_vit() -> None:
    """A checkpoint of the face encoder in Hugging Face layout, trained or fine-tuned, or a pointer to a
    published one.
    """
    from mfer_core.encoders.checkpoint_pointer import Source
    from tasks.pretrain import name_checkpoint, publish_metrics, train_vit

    settings = load_settings()
    section, faces, out = settings.pretrain_vit, settings.roles.faces, DATA.encoder("visual")
    if section.checkpoint and not section.finetune:
        metrics = name_checkpoint(Source(section.checkpoint, section.revision, hash=section.hash), out)
    else:
        metrics = train_vit(settings.corpora[faces], DATA.manifest(faces), section, settings.seed, out)
    publish_metrics("pretrain_vit", metrics, out)


@flow(name="pretrain_emotion2vec", flow_run_name="pretrain_emotion2vec")
def pretrain_emotion2vec() -> None:
    """A checkpoint of the speech encoder in FunASR's layout, trained, or a pointer to a published one."""
    from mfer_core.encoders.checkpoint_pointer import Source
    from tasks.pretrain import name_checkpoint, publish_metrics, train_emotion2vec

    settings = load_settings()
    section, corpora, out = settings.pretrain_emotion2vec, settings.roles.pretraining, DATA.encoder("audio")
    if section.checkpoint:
        source = Source(section.checkpoint, section.revision, section.layer, section.hash)
        metrics = name_checkpoint(source, out)
    else:
        metrics = train_emotion2vec(corpora, DATA.root, settings.extract, section, settings.seed, out)
    publish_metrics("pretrain_emotion2vec", metrics, out)


@flow(name="embed", flow_run_name="embed {corpus}")
def embed(corpus: str) -> None:
    """Both encoders over a corpus, with its augmented views; clips that are there are not done again."""
    from tasks.embed import embed_modality

    settings = load_settings()
    clips = {arm: embed_modality(corpus, arm, DATA.root, settings) for arm in MODALITIES}
    counts = ", ".join(f"{count} clips {arm}" for arm, count in clips.items())
    get_run_logger().info(f"embed {corpus}: {counts}")


@flow(name="pool_embeddings", flow_run_name="pool_embeddings")
def pool_embeddings() -> None:
    """The sound's embeddings of the pretraining corpora by content; what is left of other corpora is
    removed.
    """
    from tasks.pool import clear_others, pool_corpora

    settings = load_settings()
    for modality in MODALITIES:
        clear_others(DATA.stage("embed") / modality, settings.media_corpora)
    folders = {name: [DATA.embeddings("audio", name)] for name in settings.roles.pretraining}
    pool_corpora(folders, settings, DATA.pool("pool_embeddings", "pretraining"))


@flow(name="folds", flow_run_name="folds")
def folds() -> None:
    """Which clip is in which part of which fold, for every protocol, checked for people and content in two
    parts.
    """
    from tasks.folds import assign_folds

    assign_folds(DATA.root, load_settings())


@flow(name="train_visual", flow_run_name="train_visual")
def train_visual() -> None:
    """Stage 1 of the method, the image arm alone; folds that are done are not trained again."""
    from tasks.train import train_folds

    train_folds("train_visual", DATA.root, load_settings())


@flow(name="pretrain_audio", flow_run_name="pretrain_audio")
def pretrain_audio() -> None:
    """Stage 2a of the method: the audio arm on the pretraining corpora and four classes, speakers held
    out.
    """
    from tasks.train import train_pretraining

    train_pretraining(DATA.root, load_settings())


@flow(name="train_audio", flow_run_name="train_audio")
def train_audio() -> None:
    """Stage 2b of the method, the audio arm on the benchmark; folds that are done are not trained again."""
    from tasks.train import train_folds

    train_folds("train_audio", DATA.root, load_settings())


@flow(name="train_fused", flow_run_name="train_fused")
def train_fused() -> None:
    """Stage 3 of the method, both arms; folds that are done are not trained again."""
    from tasks.train import train_folds

    train_folds("train_fused", DATA.root, load_settings())


@flow(name="train_final", flow_run_name="train_final")
def train_final() -> None:
    """The model that is handed out: every arm on all clips of the benchmark, as its folds chose."""
    from mfer_core.training.stages import STAGES
    from tasks.artifacts import begin_output
    from tasks.train import train_final as train_arm

    settings = load_settings()
    if begin_output(DATA.stage("train_final"), settings.why_no_model):
        for stage in STAGES:
            train_arm(stage, DATA.root, settings)


@flow(name="evaluate", flow_run_name="evaluate")
def evaluate() -> None:
    """What the folds' predictions are worth, beside the published figures: metrics.json, tables, plots."""
    from tasks.evaluate import publish_results, run_evaluate

    run_evaluate(DATA, load_settings())
    publish_results("evaluate", DATA, load_settings())


@flow(name="transfer", flow_run_name="transfer")
def transfer() -> None:
    """The fold models on the held-out custom corpus: metrics.json and tables."""
    from tasks.evaluate import publish_results, run_transfer

    run_transfer(DATA, load_settings())
    publish_results("transfer", DATA, load_settings())


@flow(name="register", flow_run_name="register")
def register() -> None:
    """The model that is handed out, whole, in a folder with its card, and in the MLflow registry."""
    from tasks.artifacts import begin_output
    from tasks.register import assemble_model, register_model

    settings = load_settings()
    if begin_output(DATA.stage("register"), settings.why_no_model):
        assemble_model(DATA, settings)
        register_model(DATA, settings)
